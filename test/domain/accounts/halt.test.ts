import { expect, it } from 'vitest';
import { haltFields } from '../../../lib/domain/accounts/halt.ts';

it('a device that is unlinked while a pairing code is asked for leaves no request for one', () => {
  expect(haltFields({ kind: 'logged_out', reason: 'by_whatsapp' }, { warnings: [] }, 0)).toStrictEqual({
    status: 'logged_out',
    statusReason: 'by_whatsapp',
    linkedAt: undefined,
    linkedNumber: undefined,
    link: undefined,
    pairingFor: undefined,
    restrictedUntil: undefined,
  });
});
