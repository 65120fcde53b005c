import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import { handle } from 'hono/aws-lambda';
import { createClients } from '../../lib/aws/client/clients.ts';
import { createDeps } from '../../lib/aws/deps.ts';
import { functionConfig } from '../../lib/runtime/config.ts';
import { createEgress } from '../../lib/runtime/egress/egress.ts';
import { lambda } from '../../lib/runtime/lambda.ts';
import { countInto } from '../../lib/runtime/metrics.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { createApp } from './app.ts';

type Respond = (event: APIGatewayProxyEventV2, context: Context) => Promise<APIGatewayProxyStructuredResultV2>;

/** The Lambda handler of the HTTP API: passes events of API Gateway (payload 2.0) to the Hono app. */
export const handler = lambda<APIGatewayProxyEventV2, Respond, APIGatewayProxyStructuredResultV2>(
  'api',
  (env, logger, metrics) => {
    const config = functionConfig(env);
    const deps = createDeps(config, createClients());
    const egress = createEgress({ allowLoopback: config.STAGE === 'local' });
    return handle(
      createApp({ deps, logger, egress, version: packageJson.version, count: countInto(metrics) }),
    ) as unknown as Respond;
  },
  async (event, respond, { context }) => {
    // HTTP allows a GET with a body, but fetch's Request refuses it.
    const bodyless = /^(GET|HEAD)$/i.test(event.requestContext.http.method);
    const { body: _body, ...rest } = event;
    return await respond(bodyless ? rest : event, context);
  },
);
