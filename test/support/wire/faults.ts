/**
 * Faults of the local stack, by its control endpoint (local/control.ts).
 * @module
 */
export interface Fault {
  /** Part of the construct path of the function. */
  readonly function:
    | 'Publish'
    | 'Read'
    | 'Hold'
    | 'Stream'
    | 'Socket'
    | 'Push'
    | 'Presence'
    | 'Intake'
    | 'Fold'
    | 'Webhooks'
    | 'Dispatch'
    | 'Deliver';
  readonly at: 'before' | 'after' | 'invoke' | 'response';
  readonly effect:
    | 'kill'
    | 'reset'
    | { readonly delayMs: number }
    | { readonly status: number; readonly type: string; readonly message: string };
  readonly action?: string;
  /** Part of the ARN that is called. */
  readonly resource?: string;
  /** The nth such call from now, from 1 on. */
  readonly call?: number;
  readonly times?: number;
}

export async function inject(control: string, fault: Fault): Promise<void> {
  const response = await fetch(`${control}/faults`, { method: 'POST', body: JSON.stringify(fault) });
  if (!response.ok) throw new Error(`fault refused: ${await response.text()}`);
}

export async function clearFaults(control: string): Promise<void> {
  await fetch(`${control}/faults`, { method: 'DELETE' });
}
