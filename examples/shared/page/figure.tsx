/**
 * A number with its label, in a list of figures.
 * @module
 */

/** A figure. It is a dash as long as there is no value. */
export const Figure = ({ label, value }: { readonly label: string; readonly value: string | undefined }) => (
  <div>
    <dt>{label}</dt>
    <dd>{value ?? '–'}</dd>
  </div>
);
