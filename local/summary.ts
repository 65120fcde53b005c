import { relative } from 'node:path';
import type { LocalStack } from './stack.ts';

export const REAL_WARNING = `
WARNING: this connects to WhatsApp itself. Unofficial clients break WhatsApp's terms of service; the number you link can be banned
for good. Use a number you can lose, and message only people who have agreed to it.
`;

/** What is printed once everything runs; its commands work as they stand. */
export function summary(stack: LocalStack, options: { whatsapp: 'simulator' | 'real' }): string {
  const folder = relative(process.cwd(), stack.dataDir) || '.';
  const key = `-H 'Authorization: Bearer ${stack.apiKey}'`;
  const simulated = stack.simulatorUrl !== undefined;
  return [
    '',
    'Paceline is running.',
    '',
    `  API          ${stack.apiUrl}    (its description: ${stack.apiUrl}/docs)`,
    `  API key      ${stack.apiKey}    (tenant "local")`,
    `  Admin key    ${stack.adminKey}`,
    simulated
      ? `  Simulator    ${stack.simulatorUrl}    (nothing leaves this machine)`
      : `  WhatsApp     ${options.whatsapp === 'real' ? 'the real one' : (process.env.WHATSAPP_URL ?? '')}`,
    `  Data         ${folder}    (logs in ${folder}/logs, addresses and keys in ${folder}/local.json)`,
    ...stack.warnings.map((warning) => `  Note         ${warning}`),
    '',
    simulated
      ? `Make a phone, then an account for it, and scan the account's code:`
      : 'Make an account; its code to scan appears here:',
    '',
    ...(simulated
      ? [
          `  curl -X POST ${stack.simulatorUrl}/phones -H 'Content-Type: application/json' -d '{"number":"5511999990001"}'`,
        ]
      : []),
    `  curl -X POST ${stack.apiUrl}/v1/accounts ${key} -H 'Content-Type: application/json' -d '{"name":"first"}'`,
    `  curl ${stack.apiUrl}/v1/accounts ${key}`,
    '',
    'Ctrl-C ends everything and keeps the data.',
  ].join('\n');
}
