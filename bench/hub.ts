/**
 * What a benchmark knows of the hub that it measures: its URLs, a token, the count of AWS calls, and the
 * processes behind it.
 * @module
 */
export interface BenchedHub {
  readonly url: string;
  /** Where clients open a WebSocket. */
  readonly socketUrl: string;
  readonly token: string;
  readonly say: (line: string) => void;
  /** By function, named as its construct: `Publish`, `Push`. */
  readonly calls: () => Promise<
    readonly { readonly who: string; readonly action: string; readonly count: number }[]
  >;
  readonly forgetCalls: () => Promise<void>;
  /** The processes of the functions, by construct path, and the requests that are with each. */
  readonly processes: () => Promise<
    readonly { readonly function: string; readonly pid: number; readonly inFlight: number }[]
  >;
}
