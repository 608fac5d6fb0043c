/**
 * The form of the tables of understood resources.
 * @module
 */

/** Marks a property that the stack reads. */
export const ACTED = true;

/** The understood properties: {@link ACTED}, or the reason why the property has no effect here, or the properties below it. */
export type Properties = { readonly [name: string]: true | string | Properties };
