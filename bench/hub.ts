/**
 * What a benchmark knows of the hub that it measures: a URL, a token, and the count of AWS calls.
 * @module
 */
export interface BenchedHub {
  readonly url: string;
  readonly token: string;
  readonly say: (line: string) => void;
  readonly calls: () => Promise<readonly { readonly action: string; readonly count: number }[]>;
  readonly forgetCalls: () => Promise<void>;
}
