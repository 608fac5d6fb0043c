/**
 * What an alarm of the hub is: it has a name that says where, and a description that says what it means and which heading
 * of the runbook says what to do.
 * @module
 */
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';

const RUNBOOK = 'docs/runbook.md';

export interface RunbookAlarmProps {
  readonly metric: cloudwatch.IMetric;
  /** Rings above it. */
  readonly above: number;
  /** How many periods in a row. */
  readonly periods: number;
  /** What it means that it rings, in a sentence. */
  readonly means: string;
  /** The heading of docs/runbook.md that says what to do then. */
  readonly heading: string;
}

export function runbookAlarm(scope: Construct, id: string, props: RunbookAlarmProps): cloudwatch.Alarm {
  const { metric, above, periods, means, heading } = props;
  return new cloudwatch.Alarm(scope, id, {
    // What the message says that wakes somebody; the stack's name is in it, and so the stage.
    alarmName: `${scope.node.path}/${id}`,
    alarmDescription: `${means} See ${RUNBOOK}, "${heading}".`,
    metric,
    threshold: above,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    evaluationPeriods: periods,
    // Nothing is measured where nothing happens, and nobody is there to say that there are no dead letters.
    treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
  });
}
