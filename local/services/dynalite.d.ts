// dynalite 4.0.0 ships no types. Only what local/services/dynamodb-service.ts calls is declared.
// It has no "exports" map, so its parts can be used without its HTTP server: one network hop less per call.

declare module 'dynalite/db/index.js' {
  export interface Iterators {
    keys(options: object): { close(): Promise<void> };
    values(options: object): { close(): Promise<void> };
  }
  export interface Store {
    readonly db: Iterators & { open(): Promise<void>; close(done: (error?: Error | null) => void): void };
    readonly tableDb: { del(key: string, done: (error?: Error | null) => void): void };
  }
  export function create(options: {
    path?: string;
    createTableMs: number;
    deleteTableMs: number;
    updateTableMs: number;
  }): Store;
}

declare module 'dynalite/validations/index.js' {
  import type { Store } from 'dynalite/db/index.js';
  /** Drops what the operation does not know, and checks the types of the rest. */
  export function checkTypes(data: object, types: object): object;
  export function checkValidations(data: object, types: object, custom: unknown, store: Store): void;
}
