// dynalite 4.0.0 has no types. This file declares only what the local stack uses.
// Its package.json has no "exports" map, so the local stack imports its modules directly. That saves its HTTP server, and with it one
// network hop for each call.

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
  /** Removes unknown members of the input, and checks the types of the others. */
  export function checkTypes(data: object, types: object): object;
  export function checkValidations(data: object, types: object, custom: unknown, store: Store): void;
}
