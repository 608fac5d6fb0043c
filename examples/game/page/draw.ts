/**
 * Draws the field.
 * @module
 */
import { nameOf } from '../../shared/page/session.ts';
import { type Place, REACH } from '../field.ts';

const RADIUS = 13;

/** Draws the coin and the players, with their names. */
export function draw(
  canvas: HTMLCanvasElement,
  coin: Place | undefined,
  players: readonly (Place & { readonly player: string })[],
  me: string,
): void {
  const context = canvas.getContext('2d');
  if (context === null) return;
  const style = getComputedStyle(canvas);
  const colour = (name: string): string => style.getPropertyValue(name);
  context.clearRect(0, 0, canvas.width, canvas.height);
  const disc = ({ x, y }: Place, radius: number, fill: string): void => {
    context.fillStyle = fill;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  };
  if (coin !== undefined) disc(coin, REACH - RADIUS, '#d99a00');
  context.font = '13px system-ui, sans-serif';
  context.textAlign = 'center';
  for (const each of players) {
    disc(each, RADIUS, each.player === me ? colour('--accent') : `hsl(${hueOf(each.player)} 45% 50%)`);
    context.fillStyle = colour('--text');
    context.fillText(nameOf(each.player), each.x, each.y - RADIUS - 6);
  }
}

/** Returns an angle of the colour circle: the same one for a player on every page. */
const hueOf = (player: string): number =>
  [...player].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 3_600, 7) / 10;
