/**
 * Whom the hub calls, as far as the URL tells: what is refused when it is written, and once more at each dial.
 * @module
 */
import { isIP } from 'node:net';
import { Refusal } from '../../../protocol/errors.ts';
import { MAX_WEBHOOK_URL_LENGTH } from '../../../protocol/limits.ts';
import { isLoopback, isPublic } from './public-address.ts';

export interface TargetRules {
  /** Of the local stack only: plain http as well, any port, and the loopback. Nothing else that is private. */
  readonly isInsecureAllowed: boolean;
  /**
   * The hub's own hosts, `host` or `host:port`; without a port, on all of them. What the hub sends itself would be
   * published, and sent again, for ever: AWS sees no loop that goes over HTTP.
   */
  readonly ownHosts: readonly string[];
  /** Ports that are called; 443 and 8443 if it does not say. */
  readonly ports?: readonly number[];
}

/** Ports of https. Any other could be that of a service that takes HTTP for commands of its own: SMTP, Redis. */
const HTTPS_PORTS: readonly number[] = [443, 8443];

/** Characters of what was received that a refusal repeats. */
const SHOWN_LENGTH = 80;

/**
 * Names that no public server can have: of this machine (RFC 6761), of the link (RFC 6762), and private ones (reserved
 * by ICANN in 2024). The dial would find that out too; whoever writes the URL had better be told at once.
 */
const LOCAL_SUFFIXES = ['.localhost', '.local', '.internal'];

/**
 * The URL in its one canonical spelling: `0x7f.1`, `①②⑦.⓪.⓪.①` and `2130706433` are all 127.0.0.1 by then.
 * @throws Refusal `bad_webhook_url` or `address_not_allowed`
 */
export function parseTarget(text: string, rules: TargetRules): URL {
  if (text.length > MAX_WEBHOOK_URL_LENGTH) throw tooLong(text.length);
  const url = URL.parse(text);
  if (!url) {
    throw bad(`the URL "${shown(text)}" is malformed: send one such as https://example.com/hooks`);
  }
  checkForm(url, rules);
  url.hash = '';
  // "example.com." is the same host to DNS, but neither to a certificate nor to a list of hosts.
  url.hostname = url.hostname.replace(/\.+$/, '');
  // Escaping makes it longer, and it has to pass here again when it is dialled.
  if (url.href.length > MAX_WEBHOOK_URL_LENGTH) throw tooLong(url.href.length);
  checkHost(url, rules);
  return url;
}

/** Whether a socket may be opened to the address. */
export const isAllowedTarget = (address: string, { isInsecureAllowed }: TargetRules): boolean =>
  isPublic(address) || (isInsecureAllowed && isLoopback(address));

const notAllowed = (message: string): Refusal => new Refusal('address_not_allowed', message);

function checkForm(url: URL, { isInsecureAllowed, ports = HTTPS_PORTS }: TargetRules): void {
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'https' && !(isInsecureAllowed && scheme === 'http')) {
    throw bad(`the URL has the scheme ${shown(scheme)}: allowed is https`);
  }
  if (url.username !== '' || url.password !== '') {
    throw bad(`the URL of ${shown(url.host)} has a user name or a password: leave them out`);
  }
  if (!isInsecureAllowed && !ports.includes(portOf(url))) {
    throw bad(`the URL has the port ${portOf(url)}: allowed are ${ports.join(' and ')}`);
  }
}

function checkHost(url: URL, rules: TargetRules): void {
  const host = hostOf(url);
  if (isOwn(url, rules)) {
    throw notAllowed(`${shown(url.host)} is the hub itself: it does not call its own hosts`);
  }
  if (isIP(host) !== 0) {
    if (!isAllowedTarget(host, rules))
      throw notAllowed(`${host} is no public address: the hub calls no other`);
  } else if (isLocalName(host) && !(rules.isInsecureAllowed && isLocalhost(host))) {
    throw notAllowed(
      `${shown(host)} is no public name: the hub calls hosts on the internet, such as example.com`,
    );
  }
}

function isOwn(url: URL, { ownHosts }: TargetRules): boolean {
  const place = placeOf(url);
  const isAt = (ours: URL): boolean => ours.port === '' || ours.port === String(portOf(url));
  return ownHosts.map(ownPlace).some((ours) => placeOf(ours) === place && isAt(ours));
}

/** @throws Error for what is no host, such as a whole URL: it would match nothing, and so guard nothing */
export function ownPlace(own: string): URL {
  // As if it were of http, so that :443 is not taken for the default and dropped.
  const url = URL.parse(`http://${own}`);
  if (!url || url.href !== `http://${url.host}/`)
    throw new Error(`"${own}" is no host of the hub: expected host or host:port`);
  return url;
}

/** The host in one spelling. All of the loopback is one place: a server there mostly listens on all of it. */
function placeOf(url: URL): string {
  const host = hostOf(url).replace(/\.+$/, '');
  return isLoopback(host) || isLocalhost(host) ? 'localhost' : host;
}

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, '$1');

const portOf = ({ port, protocol }: URL): number => Number(port || (protocol === 'https:' ? 443 : 80));

const isLocalName = (host: string): boolean => {
  const labels = host.split('.');
  return labels.length === 1 || labels.includes('') || LOCAL_SUFFIXES.some((suffix) => host.endsWith(suffix));
};

export const isLocalhost = (host: string): boolean => host === 'localhost' || host.endsWith('.localhost');

const bad = (message: string): Refusal => new Refusal('bad_webhook_url', message);

const tooLong = (length: number): Refusal =>
  bad(`the URL has ${length} characters: at most ${MAX_WEBHOOK_URL_LENGTH} are allowed`);

/** Short, and without what holds passwords and tokens: what is before an `@`, and the query. Refusals get logged. */
function shown(text: string): string {
  const safe = text.slice(text.lastIndexOf('@') + 1).replace(/[?#].*$/s, '');
  return safe.length > SHOWN_LENGTH ? `${safe.slice(0, SHOWN_LENGTH)}…` : safe;
}
