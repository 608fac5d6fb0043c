/**
 * A letter when the month becomes dearer than planned. Nothing is stopped: AWS counts costs some times a day, so what is
 * fast is stopped by throttles and caps, and this tells of what is slow, or was configured so.
 *
 * It is about the whole account. A budget for the resources of one stack goes by a cost allocation tag, which somebody with
 * access to billing has to activate first, and until then it adds up nothing and says so to nobody.
 * https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activate-built-in-tags.html
 * @module
 */
import { Stack } from 'aws-cdk-lib';
import * as budgets from 'aws-cdk-lib/aws-budgets';
import { Construct } from 'constructs';

export interface BudgetProps {
  /** US dollars. */
  readonly monthly: number;
  /** Who gets the letters. */
  readonly email: string;
}

/** Percent of the budget. A forecast is the earliest word that there is, and what is spent the surest. */
const LETTERS = [
  { notificationType: 'FORECASTED', threshold: 100 },
  { notificationType: 'ACTUAL', threshold: 80 },
  { notificationType: 'ACTUAL', threshold: 100 },
];

export class Budget extends Construct {
  constructor(scope: Construct, id: string, { monthly, email }: BudgetProps) {
    super(scope, id);
    new budgets.CfnBudget(this, 'Monthly', {
      budget: {
        // Names are the account's, not a region's.
        budgetName: `${Stack.of(this).stackName}-${Stack.of(this).region}`,
        budgetType: 'COST',
        timeUnit: 'MONTHLY',
        budgetLimit: { amount: monthly, unit: 'USD' },
      },
      notificationsWithSubscribers: LETTERS.map((letter) => ({
        notification: { ...letter, comparisonOperator: 'GREATER_THAN' },
        subscribers: [{ subscriptionType: 'EMAIL', address: email }],
      })),
    });
  }
}
