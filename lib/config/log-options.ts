/**
 * The options of the data of a hub.
 * @module
 */
import { RemovalPolicy } from 'aws-cdk-lib';
import { z } from 'zod';
import { allowed, PROPS, readOptions } from './context.ts';
import { OPTIONS } from './options.ts';

const POLICY = allowed('RemovalPolicy.RETAIN or RemovalPolicy.DESTROY');

const LOG_OPTIONS = z.strictObject({
  stage: OPTIONS.shape.stage,
  removalPolicy: z
    .literal([RemovalPolicy.RETAIN, RemovalPolicy.DESTROY], POLICY)
    .default(RemovalPolicy.RETAIN),
});

/** The options of the data, as {@link readLogOptions} returns them. */
export type LogOptions = Readonly<z.output<typeof LOG_OPTIONS>>;

/** Reads the props of a log. @throws Error with a sentence for each prop that is wrong */
export const readLogOptions = (props: object): LogOptions => readOptions(LOG_OPTIONS, { ...props }, PROPS);
