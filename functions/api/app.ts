import { OpenAPIHono } from '@hono/zod-openapi';
import { PacelineError } from '../../lib/domain/errors.ts';
import type { ApiEnv, ApiScope } from './context.ts';
import { authenticate, readBody, requestIds } from './middleware.ts';
import type { Api } from './openapi.ts';
import { fieldErrorsOf, invalid, problem } from './problem.ts';
import { accountLinkRoutes } from './routes/account-link.ts';
import { accountRoutes } from './routes/accounts.ts';
import { apiKeyRoutes } from './routes/api-keys.ts';
import { auditRoutes } from './routes/audit.ts';
import { contractMoveRoutes } from './routes/contract-moves.ts';
import { contractResultRoutes } from './routes/contract-results.ts';
import { contractRoutes } from './routes/contracts.ts';
import { messageRoutes } from './routes/messages.ts';
import { planRoutes } from './routes/plans.ts';
import { queueRoutes } from './routes/queues.ts';
import { systemRoutes } from './routes/system.ts';
import { tenantRoutes } from './routes/tenants.ts';

/**
 * The HTTP surface. A call passes: request id -> key -> body (size) -> scope -> Idempotency-Key -> schema -> handler. Whatever throws on the way
 * becomes problem+json in one place.
 */
export function createApp(scope: ApiScope): Api {
  const app: Api = new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalid(fieldErrorsOf(result.error));
    },
  });
  app.onError((error, c) => problem(error, c, scope.logger));
  app.notFound((c) => problem(notFound(app, c.req.method, c.req.path), c, scope.logger));
  app.use('*', requestIds(scope));
  app.use('/v1/*', authenticate(scope), readBody());

  systemRoutes(app, scope);
  accountRoutes(app, scope);
  accountLinkRoutes(app, scope);
  contractRoutes(app, scope);
  contractMoveRoutes(app, scope);
  contractResultRoutes(app, scope);
  messageRoutes(app, scope);
  queueRoutes(app, scope);
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
        description: 'WhatsApp notifications from your own AWS account.',
        license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      },
      servers: [{ url: '/' }],
    });
    return c.json(document);
  });
  return app;
}

/** 405 where the path has other methods, else 404. */
function notFound(app: Api, method: string, path: string): PacelineError {
  const others = app.routes.filter(
    (route) => route.method !== 'ALL' && route.method !== method && matches(route.path, path),
  );
  if (others.length === 0) return new PacelineError('NOT_FOUND', 'There is nothing at this path; see /openapi.json.');
  const methods = [...new Set(others.map((route) => route.method))].join(', ');
  return new PacelineError('METHOD_NOT_ALLOWED', `This path takes ${methods}.`);
}

function matches(routePath: string, path: string): boolean {
  const wanted = routePath.split('/');
  const given = path.split('/');
  return wanted.length === given.length && wanted.every((part, index) => part.startsWith(':') || part === given[index]);
}
