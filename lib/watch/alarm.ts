/**
 * An alarm of the hub: its name says where, its description says what it means, and which heading of the runbook says what
 * to do.
 * @module
 */
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';

const RUNBOOK = 'docs/runbook.md';

/** The CDK leaves this id out of the names that it makes, too. The hub of the template has it (lib/hub.ts). */
const HIDDEN_ID = 'Default';

/** The differences between the alarms. */
export interface RunbookAlarmProps {
  /** The measured value. */
  readonly metric: cloudwatch.IMetric;
  /** The alarm rings above this value of the metric. */
  readonly above: number;
  /** Periods of the metric in a row that must be above it. */
  readonly periods: number;
  /** The meaning of the alarm, in a sentence. */
  readonly means: string;
  /** The heading of docs/runbook.md that says what to do. */
  readonly heading: string;
}

/** Adds an alarm. */
export function runbookAlarm(scope: Construct, id: string, props: RunbookAlarmProps): cloudwatch.Alarm {
  const { metric, above, periods, means, heading } = props;
  return new cloudwatch.Alarm(scope, id, {
    // Messages about the alarm have this name. It contains the stack's name, and so the stage.
    alarmName: [...scope.node.path.split('/').filter((part) => part !== HIDDEN_ID), id].join('/'),
    alarmDescription: `${means} See ${RUNBOOK}, "${heading}".`,
    metric,
    threshold: above,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    evaluationPeriods: periods,
    // An idle hub emits no metrics, and AWS/SQS none for idle queues.
    treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
  });
}
