/**
 * A field of a form, for one line of text, with its label.
 * @module
 */

interface Props {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  /** An example of what belongs there. */
  readonly example?: string;
}

/** A label and its field, which must not stay empty. */
export const TextField = ({ id, label, value, onInput, example }: Props) => (
  <>
    <label for={id}>{label}</label>
    <input
      id={id}
      type="text"
      required
      spellcheck={false}
      {...(example === undefined ? {} : { placeholder: example })}
      value={value}
      onInput={({ currentTarget }) => onInput(currentTarget.value)}
    />
  </>
);
