import { OpenAPIHono, z } from '@hono/zod-openapi';
import { PacelineError } from '../../lib/domain/errors.ts';
import { sentenceOf } from '../../lib/domain/field-sentences.ts';
import { accountRoutes } from './accounts/accounts.ts';
import { accountLinkRoutes } from './accounts/link.ts';
import { queueRoutes } from './accounts/queues.ts';
import { apiKeyRoutes } from './admin/api-keys.ts';
import { auditRoutes } from './admin/audit.ts';
import { planRoutes } from './admin/plans.ts';
import { tenantRoutes } from './admin/tenants.ts';
import { contractRoutes } from './contracts/contracts.ts';
import { contractMoveRoutes } from './contracts/moves.ts';
import { contractResultRoutes } from './contracts/results.ts';
import type { ApiEnv, ApiScope } from './http/context.ts';
import { fieldErrorsOf, invalid } from './http/field-errors.ts';
import { authenticate, countAnswers, readBody, requestIds } from './http/middleware.ts';
import type { Api } from './http/openapi.ts';
import { problem } from './http/problem.ts';
import { systemRoutes } from './http/system.ts';
import { inboxRoutes } from './inbox/inbox.ts';
import { bulkRoutes } from './messages/bulk.ts';
import { messageRoutes } from './messages/messages.ts';
import { suppressionRoutes } from './suppressions/suppressions.ts';
import { webhookCallRoutes } from './webhooks/calls.ts';
import { deliveryRoutes } from './webhooks/deliveries.ts';
import { eventRoutes } from './webhooks/events.ts';
import { webhookRoutes } from './webhooks/webhooks.ts';

/**
 * Creates the HTTP API. A call passes: request id -> key -> body (size) -> scope -> Idempotency-Key -> schema -> handler. Any error on the way
 * becomes problem+json in one place (http/problem.ts).
 */
export function createApp(scope: ApiScope): Api {
  // The default messages of schemas. zod has one setting for the whole process.
  z.config({ customError: sentenceOf });
  const app: Api = new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalid(fieldErrorsOf(result.error, result.target));
    },
  });
  app.onError((error, c) => problem(error, c, scope.logger));
  app.notFound((c) => {
    const others = otherMethods(app, c.req.method, c.req.path);
    if (others.length > 0) c.header('Allow', others.join(', '));
    return problem(notFound(others, c.req.path), c, scope.logger);
  });
  app.use('*', countAnswers(scope), requestIds(scope));
  app.use('/v1/*', authenticate(scope), readBody());

  systemRoutes(app, scope);
  accountRoutes(app, scope);
  accountLinkRoutes(app, scope);
  contractRoutes(app, scope);
  contractMoveRoutes(app, scope);
  contractResultRoutes(app, scope);
  messageRoutes(app, scope);
  bulkRoutes(app, scope);
  inboxRoutes(app, scope);
  suppressionRoutes(app, scope);
  queueRoutes(app, scope);
  eventRoutes(app, scope);
  webhookRoutes(app, scope);
  webhookCallRoutes(app, scope);
  deliveryRoutes(app, scope);
  tenantRoutes(app, scope);
  planRoutes(app, scope);
  apiKeyRoutes(app, scope);
  auditRoutes(app, scope);

  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key. Roles name the scopes of which the key needs one.',
  });
  app.get('/openapi.json', (c) => {
    const document = app.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'Paceline',
        version: scope.version,
        description:
          'WhatsApp notifications from your own AWS account. Errors are problem+json with a `code` of a closed list. A path called with another ' +
          'method answers 405 with `Allow`, an unknown path 404. Above 200 requests a second the gateway in AWS answers 429 itself, without ' +
          'the fields of a problem.',
        license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      },
      servers: [{ url: '/' }],
    });
    return c.json(document);
  });
  return app;
}

/** Returns 405 when the path has other methods, else 404. */
function notFound(methods: string[], path: string): PacelineError {
  if (methods.length > 0) return new PacelineError('METHOD_NOT_ALLOWED', `This path takes ${methods.join(', ')}.`);
  const slash = path.length > 1 && path.endsWith('/') ? ' It ends with a slash; try it without.' : '';
  return new PacelineError('NOT_FOUND', `There is nothing at this path.${slash} GET /openapi.json lists all.`);
}

/** Returns the other methods of the path. */
function otherMethods(app: Api, method: string, path: string): string[] {
  const others = app.routes.filter(
    (route) => route.method !== 'ALL' && route.method !== method && matches(route.path, path),
  );
  return [...new Set(others.map((route) => route.method))];
}

/** Returns whether a path fits a route. A parameter has at least one character. */
function matches(routePath: string, path: string): boolean {
  const wanted = routePath.split('/');
  const given = path.split('/');
  const fits = (part: string, index: number): boolean =>
    part.startsWith(':') ? given[index] !== '' : part === given[index];
  return wanted.length === given.length && wanted.every(fits);
}
