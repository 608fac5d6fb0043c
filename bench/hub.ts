/**
 * The hub that a benchmark measures: its URLs, a token, the counts of AWS calls, and its processes.
 * @module
 */
/** A hub with the control endpoint of the local stack. */
export interface MeasuredHub {
  /** The URL of the hub. */
  readonly url: string;
  /** The URL of the sockets. */
  readonly socketUrl: string;
  /** A token that allows everything. */
  readonly token: string;
  /** Prints a line of the result. */
  readonly print: (line: string) => void;
  /** Returns the AWS calls, by function (`Publish`, `Push`: the name of the construct) and action. */
  readonly calls: () => Promise<
    readonly { readonly who: string; readonly action: string; readonly count: number }[]
  >;
  /** Sets the counts of AWS calls to 0. */
  readonly forgetCalls: () => Promise<void>;
  /** Returns the processes of the functions, by construct path, with the number of requests in each. */
  readonly processes: () => Promise<
    readonly { readonly function: string; readonly pid: number; readonly inFlight: number }[]
  >;
}
