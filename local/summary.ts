import { relative } from 'node:path';
import type { LocalStack } from './stack.ts';

export const REAL_WARNING = `
WARNING: this connects to WhatsApp itself. Unofficial clients break WhatsApp's terms of service; the number you link can be banned
permanently. Use a number you can lose, and message only people who have agreed to it.
`;

/** Returns the text that is printed once everything runs. Its commands can be copied as they are. */
export function summary(stack: LocalStack): string {
  const inside = relative(process.cwd(), stack.dataDir);
  const folder = inside === '' ? '.' : inside.startsWith('..') ? stack.dataDir : inside;
  return [
    '',
    'Paceline is running.',
    '',
    `  API          ${stack.apiUrl}    (its description: ${stack.apiUrl}/docs)`,
    `  API key      ${stack.apiKey}    (tenant "local")`,
    `  Admin key    ${stack.adminKey}`,
    stack.simulatorUrl === undefined
      ? `  WhatsApp     ${stack.elsewhere.WhatsApp ?? 'the real one'}`
      : `  Simulator    ${stack.simulatorUrl}    (nothing leaves this machine)`,
    ...Object.entries(stack.elsewhere).flatMap(([name, url]) =>
      name === 'WhatsApp' ? [] : [`  ${name.padEnd(12)} ${url}    (yours)`],
    ),
    `  Data         ${folder}    (logs in ${folder}/logs, addresses and keys in ${folder}/local.json)`,
    ...stack.warnings.map((warning) => `  Note         ${warning}`),
    '',
    ...(stack.simulatorUrl === undefined ? realSteps(stack) : simulatedSteps(stack, stack.simulatorUrl)),
    '',
    'Ctrl-C ends everything and keeps the data.',
  ].join('\n');
}

const JSON_TYPE = `-H 'Content-Type: application/json'`;

function realSteps({ apiUrl, apiKey }: LocalStack): string[] {
  return [
    'Make an account; the code to scan appears here:',
    '',
    `  curl -X POST ${apiUrl}/v1/accounts -H 'Authorization: Bearer ${apiKey}' ${JSON_TYPE} -d '{"name":"first"}'`,
  ];
}

function simulatedSteps({ apiUrl, apiKey }: LocalStack, simulatorUrl: string): string[] {
  return [
    'Make a phone and an account, let the phone scan the code of the account, and look:',
    '',
    `  KEY='Authorization: Bearer ${apiKey}'`,
    `  curl -X POST ${simulatorUrl}/phones ${JSON_TYPE} -d '{"number":"5511999990001"}'`,
    `  ID=$(curl -s -X POST ${apiUrl}/v1/accounts -H "$KEY" ${JSON_TYPE} -d '{"name":"first"}' | grep -o 'acc_[0-9A-Z]*' | head -1); sleep 2`,
    `  CODE=$(curl -s ${apiUrl}/v1/accounts/$ID/link -H "$KEY" | sed 's/.*"code":"\\([^"]*\\)".*/\\1/')`,
    `  curl -X POST ${simulatorUrl}/phones/5511999990001/scan ${JSON_TYPE} -d '{"code":"'"$CODE"'"}'`,
    `  curl ${apiUrl}/v1/accounts/$ID -H "$KEY"`,
  ];
}
