import { expect, it } from 'vitest';
import { type Mode, move } from '../../../socket-host/account/mode.ts';

const modes: Mode[] = ['held', 'connecting', 'open', 'waiting', 'gone'];

it('an account moves as its modes say, and no other way', () => {
  const moves = modes.flatMap((from) =>
    modes
      .filter((to) => {
        try {
          return move(from, to) === to;
        } catch {
          return false;
        }
      })
      .map((to) => `${from} -> ${to}`),
  );
  expect(moves).toEqual([
    'held -> connecting',
    'held -> waiting',
    'held -> gone',
    'connecting -> held',
    'connecting -> open',
    'connecting -> gone',
    'open -> held',
    'open -> gone',
    'waiting -> held',
    'waiting -> connecting',
    'waiting -> waiting',
    'waiting -> gone',
  ]);
  expect(() => move('gone', 'held')).toThrow('an account that is gone cannot become held');
});
