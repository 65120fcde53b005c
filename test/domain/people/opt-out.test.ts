import { describe, expect, it } from 'vitest';
import { confirmationIn, optWordOf } from '../../../lib/domain/people/opt-out.ts';

const kindOf = (text: string) => optWordOf(text)?.kind;

describe('words that end messages', () => {
  it.each([
    ['en', 'STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT REMOVE'],
    ['fr', 'ARRET'],
    ['es', 'BAJA CANCELAR'],
    ['pt', 'PARAR SAIR'],
    ['de', 'STOPP ABMELDEN'],
    ['it', 'BASTA ANNULLA'],
    ['ru', 'СТОП ОТПИСАТЬСЯ'],
    ['tr', 'DUR İPTAL'],
    ['ar', 'إيقاف إلغاء'],
    ['hi', 'बंद'],
    ['id', 'BERHENTI'],
    ['zh', '退订 停止'],
    ['ja', '解除'],
  ] as const)('%s: %s', (language, list) => {
    for (const word of list.split(' ')) {
      expect([word, optWordOf(word)]).toEqual([word, { kind: 'stop', language }]);
      expect([word, optWordOf(word.toLowerCase())]).toEqual([word, { kind: 'stop', language }]);
    }
    expect(confirmationIn(language)).toContain('START');
  });

  it.each([
    'stop',
    ' Stop! ',
    '"STOP."',
    'Stop 🛑',
    'ＳＴＯＰ',
    'st\u200bop',
    '\u3164STOP\u2800',
    'STOP\u115f\uffa0\ufe0f',
    'STÓP',
    'Opt-out',
    'opt out',
    'stop all',
    'Arrêt',
    'стоп!!!',
    'iptal',
    'IPTAL',
    'İptal',
    'ıptal',
    'İPTAL',
    'ايقاف',
    'الغاء',
    'إِيقَاف',
    'إيقـــاف',
    '「停止」',
    'बंद।',
  ])('takes %j for one', (text) => {
    expect(kindOf(text)).toBe('stop');
  });

  it.each([
    'Please stop writing to me',
    'stop it',
    'Do not stop',
    'the end',
    'unstoppable',
    'STOP1',
    'बद',
    '退',
    '',
    '...',
    `STOP${' '.repeat(100)}`,
  ])('does not take %j for one', (text) => {
    expect(optWordOf(text)).toBeUndefined();
  });
});

describe('words that undo it', () => {
  it.each(['START', 'start', 'Start.', 'UNSTOP', 'un-stop'])('%j', (text) => {
    expect(optWordOf(text)).toEqual({ kind: 'start' });
  });

  it('does not take a sentence for one', () => {
    expect(optWordOf('start again please')).toBeUndefined();
  });
});
