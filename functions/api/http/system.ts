import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRoute, z } from '@hono/zod-openapi';
import { PacelineError } from '../../../lib/domain/errors.ts';
import type { ApiScope } from './context.ts';
import { type Api, answer } from './openapi.ts';

const healthSchema = z.object({ status: z.literal('ok'), version: z.string() }).openapi('Health');

/** The served files of swagger-ui, with their content types. */
const uiFiles: Record<string, string> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui-standalone-preset.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

const startScript = `window.onload = () => {
  window.ui = SwaggerUIBundle({
    url: '/openapi.json',
    dom_id: '#swagger-ui',
    deepLinking: true,
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
    layout: 'BaseLayout',
  });
};
`;

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Paceline API</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css">
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/swagger-ui-standalone-preset.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

/** Allows scripts and styles only from this origin. swagger-ui also needs inline styles and pictures as data. */
const pagePolicy =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/** Adds the routes without a key. None of them calls AWS. */
export function systemRoutes(app: Api, scope: ApiScope): void {
  app.openapi(
    createRoute({
      method: 'get',
      path: '/health',
      tags: ['System'],
      summary: 'Check that the API answers',
      responses: { 200: answer(healthSchema, 'The API answers') },
    }),
    (c) => c.json({ status: 'ok' as const, version: scope.version }, 200),
  );

  app.get('/docs', (c) => c.html(page, 200, { 'Content-Security-Policy': pagePolicy }));
  app.get('/docs/', (c) => c.redirect('/docs', 308));
  app.get('/docs/start.js', (c) => c.body(startScript, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }));
  app.get('/docs/:file', async (c) => {
    const file = c.req.param('file');
    const type = Object.hasOwn(uiFiles, file) ? uiFiles[file] : undefined;
    if (type === undefined) throw new PacelineError('NOT_FOUND', 'There is no such page.');
    const body = await readUiFile(file);
    return c.body(new Uint8Array(body), 200, { 'Content-Type': type, 'Cache-Control': 'public, max-age=86400' });
  });
}

/** Reads a file from `swagger-ui/` beside the bundle; without it, from the installed package. */
async function readUiFile(file: string): Promise<Buffer> {
  try {
    return await readFile(join(dirname(fileURLToPath(import.meta.url)), 'swagger-ui', file));
  } catch {
    const installed = createRequire(import.meta.url).resolve('swagger-ui-dist/package.json');
    return await readFile(join(dirname(installed), file));
  }
}
