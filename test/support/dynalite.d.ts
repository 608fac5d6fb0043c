// dynalite 4.0.0 ships no types. This is its HTTP server, which the contract tests run the DynamoDB adapters against.
declare module 'dynalite' {
  import type { Server } from 'node:http';
  export default function dynalite(options: { createTableMs: number }): Server;
}
