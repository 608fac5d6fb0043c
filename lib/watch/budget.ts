/**
 * An e-mail when the month costs more than planned. It stops nothing. AWS adds up costs a few times a day, so throttles and
 * quotas bound fast growth, and the budget reports slow growth and expensive options.
 *
 * The budget covers the whole account. A budget for one stack needs a cost allocation tag, and somebody with access to billing
 * must activate that tag first. Until then such a budget counts nothing, and says nothing about it.
 * https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activate-built-in-tags.html
 * @module
 */
import { Stack } from 'aws-cdk-lib';
import * as budgets from 'aws-cdk-lib/aws-budgets';
import { Construct } from 'constructs';

/** The amount and the address. */
export interface BudgetProps {
  /** US dollars a month. */
  readonly monthly: number;
  /** The address that gets the e-mails. */
  readonly email: string;
  /** Begins the name of the budget. */
  readonly name: string;
}

/** Thresholds in percent of the budget. A forecast comes earliest, the actual costs are certain. */
const NOTIFICATIONS = [
  { notificationType: 'FORECASTED', threshold: 100 },
  { notificationType: 'ACTUAL', threshold: 80 },
  { notificationType: 'ACTUAL', threshold: 100 },
];

/** The budget of the account, with its e-mails. */
export class Budget extends Construct {
  constructor(scope: Construct, id: string, { monthly, email, name }: BudgetProps) {
    super(scope, id);
    new budgets.CfnBudget(this, 'Monthly', {
      budget: {
        // Names of budgets are unique in the account, not in a Region.
        budgetName: `${name}-${Stack.of(this).region}`,
        budgetType: 'COST',
        timeUnit: 'MONTHLY',
        budgetLimit: { amount: monthly, unit: 'USD' },
      },
      notificationsWithSubscribers: NOTIFICATIONS.map((one) => ({
        notification: { ...one, comparisonOperator: 'GREATER_THAN' },
        subscribers: [{ subscriptionType: 'EMAIL', address: email }],
      })),
    });
  }
}
