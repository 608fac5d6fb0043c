/**
 * The words that documents, comments and texts of the project do not use, each with the reason and what to write instead.
 * Words that also have a proper meaning are here only with a pattern that tells the two apart.
 * @module
 */

/** A refused word. */
export interface Word {
  /** Matches in prose, whatever the case. A space matches any white space, line ends too. */
  readonly pattern: string;
  /** The reason for which the word is refused. */
  readonly reason: string;
  /** The words to write instead. */
  readonly instead: string;
  /** A sentence in which the pattern matches. */
  readonly example: string;
}

const ARCHAIC = 'archaic: learners of English have never met it';
const NO_NOUN = 'the subject of a sentence is a noun';
const OWN_TERM = 'a term that only this project has used';

/** The refused words. */
export const WORDS: readonly Word[] = [
  {
    pattern: 'who(?:m|so)?ever',
    reason: NO_NOUN,
    instead: 'the caller, the client, a handler, a process',
    example: 'Whoever asks first gets it.',
  },
  {
    pattern: '(?<=[.;:\\u0001] )(?-i:Who) [a-z]+[^?.]*[.;]',
    reason: NO_NOUN,
    instead: 'a caller that, a client that, a process that',
    example: 'It waits. Who asks first gets it.',
  },
  {
    pattern: 'whom',
    reason: ARCHAIC,
    instead: 'a noun, or a sentence of its own',
    example: 'The caller to whom it belongs.',
  },
  {
    pattern: 'whatsoever',
    reason: ARCHAIC,
    instead: 'any, or nothing',
    example: 'It takes no lock whatsoever.',
  },
  { pattern: 'anew', reason: ARCHAIC, instead: 'again', example: 'The client connects anew.' },
  {
    pattern: 'dear(?:er|est|ly)?',
    reason: 'a word of letters between people',
    instead: 'expensive, costs more',
    example: 'A scan is dear.',
  },
  {
    pattern: '(?:he|him|his|himself|she|her|hers|herself)',
    reason: 'a machine is "it"; a person who calls is "the caller" or "the client"',
    instead: 'it, its, the caller, the client',
    example: 'The client keeps his offset.',
  },
  {
    pattern: '(?:a|the|each|one|this|that|first|last|next) letter(?! (?:or|and)\\b)',
    reason: 'a message of SQS is no letter, and neither is an e-mail',
    instead: 'message, e-mail, webhook request, dead letter; in place of "to the letter" exactly',
    example: 'The owner gets a letter from AWS.',
  },
  {
    pattern: 'mend(?:s|ed|ing)?',
    reason: ARCHAIC,
    instead: 'correct, repair, fix',
    example: 'A retry mends this.',
  },
  {
    pattern: '(?:there|here|where)(?:of|in|by|upon|with|unto)',
    reason: ARCHAIC,
    instead: 'of it, in it, by which, or a sentence of its own',
    example: 'The log and the end thereof.',
  },
  {
    pattern: '(?:hence(?:forth)?|thence|whence|hither|thither|forthwith)',
    reason: ARCHAIC,
    instead: 'so, from there, from now on, at once',
    example: 'Hence the lease.',
  },
  {
    pattern: '(?:whilst|amongst|amidst|albeit|lest|unto|betwixt|ere|nigh|naught|nought)',
    reason: ARCHAIC,
    instead: 'while, among, although, so that not, before, near, nothing',
    example: 'It stops lest it costs more.',
  },
  {
    pattern: 'upon',
    reason: ARCHAIC,
    instead: 'on, when',
    example: 'Upon a retry it reads again.',
  },
  {
    pattern:
      '(?:has|have|had|having) (?:it|them|him|us|one|others?|all|everyone|somebody) (?:\\w+ed|wait|come|go|read|try|look|begin|ask|run|sent|told|made|done|know|think|stand|say|answer)',
    reason: '"to have it wait" reads as a question or as a perfect tense',
    instead: 'makes it wait, tells it to wait, lets it wait',
    example: 'The hub has it wait.',
  },
  {
    pattern: '(?:leaves?|left|leaving|sends?|sent) word',
    reason: 'an idiom',
    instead: 'sends a message, writes a row',
    example: 'It leaves word in the queue.',
  },
  {
    pattern: 'the very (?!same\\b|first\\b|last\\b)\\w+',
    reason: 'an idiom',
    instead: 'exactly, the same',
    example: 'The very text that was published.',
  },
  { pattern: 'in vain', reason: 'an idiom', instead: 'without effect', example: 'It tried in vain.' },
  {
    pattern: '(?<!front )doors?(?!-)',
    reason: OWN_TERM,
    instead: 'handler, entry point',
    example: 'The door answers 404.',
  },
  {
    pattern: 'errands?',
    reason: OWN_TERM,
    instead: 'task (a range of the log to deliver), request',
    example: 'An errand is a range.',
  },
  { pattern: 'muster(?:s|ed|ing)?', reason: OWN_TERM, instead: 'members', example: 'The muster of a shard.' },
  { pattern: 'ears?', reason: OWN_TERM, instead: 'wake socket', example: 'The ear of a process.' },
  { pattern: 'lanes?', reason: OWN_TERM, instead: 'connection slot', example: 'A lane of the poster.' },
  { pattern: 'good-?byes?', reason: OWN_TERM, instead: 'disconnect', example: 'The hub says goodbye.' },
  {
    pattern: 'kick(?:s|ed|ing)?',
    reason: OWN_TERM,
    instead: 'disconnect, end, start',
    example: 'The caller is kicked.',
  },
  {
    pattern: 'tall(?:y|ies|ied|ying)',
    reason: OWN_TERM,
    instead: 'count, quota',
    example: 'The tally of a caller.',
  },
  {
    pattern: 'seat(?:s|ed)?',
    reason: OWN_TERM,
    instead: 'place in the quota, quota entry',
    example: 'A seat is free again.',
  },
  {
    pattern: '(?<!--)harsh(?:er|ly|ness)?',
    reason: OWN_TERM,
    instead: 'chaos mode',
    example: 'A test of the harsh mode.',
  },
  { pattern: 'gentle|gently', reason: OWN_TERM, instead: 'calm', example: 'The gentle mode.' },
  { pattern: 'wardens?', reason: OWN_TERM, instead: 'reaper', example: 'The warden ends it.' },
  { pattern: 'vaults?', reason: OWN_TERM, instead: 'sealed secret', example: 'A secret of the vault.' },
  {
    pattern: 'bur(?:y|ies|ied|ying)',
    reason: OWN_TERM,
    instead: 'mark as a dead letter, give up',
    example: 'It buries the message.',
  },
  {
    pattern: 'rungs?',
    reason: OWN_TERM,
    instead: 'transport (of the failover), step (of the retry schedule)',
    example: 'The next rung.',
  },
  {
    pattern: 'climb(?:s|ed|ing)?',
    reason: OWN_TERM,
    instead: 'fail over, try the better transport again',
    example: 'The client climbs.',
  },
  {
    pattern: 'stray(?:s|ed|ing)?',
    reason: OWN_TERM,
    instead: 'orphan, unexpected file',
    example: 'It removes strays.',
  },
  { pattern: 'agendas?', reason: OWN_TERM, instead: 'what is due', example: 'The agenda of an endpoint.' },
  {
    pattern: 'fates?',
    reason: OWN_TERM,
    instead: 'outcome',
    example: 'The fate of an attempt.',
  },
  {
    pattern: 'verdicts?',
    reason: OWN_TERM,
    instead: 'decision, outcome, result',
    example: 'The verdict of a check.',
  },
  { pattern: 'eras?', reason: OWN_TERM, instead: 'epoch', example: 'The era of a channel.' },
  {
    pattern: '(?:re)?dial(?:s|l?ed|l?ing)?',
    reason: OWN_TERM,
    instead: 'connect to, call (outbound)',
    example: 'It dials the endpoint.',
  },
  { pattern: 'legs?', reason: OWN_TERM, instead: 'batch, push pass', example: 'The next leg of a push.' },
];
