/**
 * Tells a defect from a store that is busy.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';

/** Logs an error for the operator, with facts by which it is found. It must not throw. */
export type LogDefect = (error: unknown, about: Readonly<Record<string, unknown>>) => void;

/**
 * Returns true for a store that is busy: a retry helps, and nobody needs to act. Every other error, such as a missing
 * permission or a TypeError, is a defect of the hub, which stays until somebody corrects it.
 */
export const isBusy = (error: unknown): boolean => error instanceof Refusal && error.code === 'unavailable';
