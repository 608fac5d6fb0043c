/**
 * Which URLs the hub calls. The rules are checked when a URL is stored, and again before each request.
 * @module
 */
import { isIP } from 'node:net';
import { Refusal } from '../../../protocol/errors.ts';
import { MAX_WEBHOOK_URL_LENGTH } from '../../../protocol/limits.ts';
import { isLoopback, isPublic } from './public-address.ts';

/** The rules for URLs and addresses. */
export interface TargetRules {
  /** True only for the local stack: allows http, any port, and the loopback. Other private addresses stay refused. */
  readonly isInsecureAllowed: boolean;
  /**
   * The hub's own hosts, `host` or `host:port`. Without a port, all ports are meant. The hub would publish a message that it
   * sends to itself, and send it again, without end. AWS does not detect a loop over HTTP.
   */
  readonly ownHosts: readonly string[];
  /** Allowed ports; 443 and 8443 by default. */
  readonly ports?: readonly number[];
}

/** Ports of https. A service on another port, such as SMTP or Redis, could read HTTP as its own commands. */
const HTTPS_PORTS: readonly number[] = [443, 8443];

/** Highest number of characters of a received value that a refusal repeats. */
const SHOWN_LENGTH = 80;

/**
 * Names that no public server can have: of this machine (RFC 6761), of the link (RFC 6762), and private ones (reserved
 * by ICANN in 2024). A request would fail too, but the caller that stores the URL learns it at once.
 */
const LOCAL_SUFFIXES = ['.localhost', '.local', '.internal'];

/**
 * Returns the URL in its canonical spelling. `0x7f.1`, `①②⑦.⓪.⓪.①` and `2130706433` all become 127.0.0.1.
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
  // DNS takes "example.com." for the same host. A certificate and the list of own hosts do not.
  url.hostname = url.hostname.replace(/\.+$/, '');
  // Escaping makes the URL longer. The stored URL must pass this check again before each request.
  if (url.href.length > MAX_WEBHOOK_URL_LENGTH) throw tooLong(url.href.length);
  checkHost(url, rules);
  return url;
}

/** Returns true if a socket may be opened to the address. */
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
      throw notAllowed(`${host} is not a public address: the hub calls only public addresses`);
  } else if (isLocalName(host) && !(rules.isInsecureAllowed && isLocalhost(host))) {
    throw notAllowed(
      `${shown(host)} is not a public name: the hub calls hosts on the internet, such as example.com`,
    );
  }
}

function isOwn(url: URL, { ownHosts }: TargetRules): boolean {
  const host = comparableHost(url);
  const isSamePort = (ours: URL): boolean => ours.port === '' || ours.port === String(portOf(url));
  return ownHosts.map(parseOwnHost).some((ours) => comparableHost(ours) === host && isSamePort(ours));
}

/**
 * Parses one of the hub's own hosts.
 * @throws Error for anything else, such as a whole URL: it would match nothing, and so protect nothing
 */
export function parseOwnHost(own: string): URL {
  // Parsed with the scheme http, because https would drop the default port :443.
  const url = URL.parse(`http://${own}`);
  if (!url || url.href !== `http://${url.host}/`)
    throw new Error(`"${own}" is not a host of the hub: expected host or host:port`);
  return url;
}

/** Returns the host in one spelling. The whole loopback counts as one host, since most servers listen on all of it. */
function comparableHost(url: URL): string {
  const host = hostOf(url).replace(/\.+$/, '');
  return isLoopback(host) || isLocalhost(host) ? 'localhost' : host;
}

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, '$1');

const portOf = ({ port, protocol }: URL): number => Number(port || (protocol === 'https:' ? 443 : 80));

const isLocalName = (host: string): boolean => {
  const labels = host.split('.');
  return labels.length === 1 || labels.includes('') || LOCAL_SUFFIXES.some((suffix) => host.endsWith(suffix));
};

/** Returns true for a name that means this machine. */
export const isLocalhost = (host: string): boolean => host === 'localhost' || host.endsWith('.localhost');

const bad = (message: string): Refusal => new Refusal('bad_webhook_url', message);

const tooLong = (length: number): Refusal =>
  bad(`the URL has ${length} characters: at most ${MAX_WEBHOOK_URL_LENGTH} are allowed`);

/**
 * Returns a short form for refusals, which are logged. A query may hold a secret, and so may everything before an `@`: in a
 * malformed URL nobody can tell a password from a host.
 */
function shown(text: string): string {
  if (text.includes('@')) return '…';
  const safe = text.replace(/[?#].*$/s, '');
  return safe.length > SHOWN_LENGTH ? `${safe.slice(0, SHOWN_LENGTH)}…` : safe;
}
