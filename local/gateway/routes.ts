import type { RouteMatch } from './event.ts';

/**
 * Returns the most specific route that matches a request; undefined when none does. A literal segment comes before `{name}`, `{name}` before
 * `{rest+}`, a method before ANY, and `$default` last.
 */
export function matchRoute<T extends { routeKey: string }>(
  routes: T[],
  method: string,
  path: string,
): { route: T; match: RouteMatch } | undefined {
  let best: { route: T; match: RouteMatch; score: string } | undefined;
  for (const route of routes) {
    const found =
      route.routeKey === '$default' ? { pathParameters: {}, score: '0' } : tryRoute(route.routeKey, method, path);
    if (found === undefined || (best !== undefined && best.score >= found.score)) continue;
    best = { route, match: { routeKey: route.routeKey, pathParameters: found.pathParameters }, score: found.score };
  }
  return best;
}

/** Returns path parameters and score of a matching route. Scores compare as text: a digit for each segment, then one for the method. */
function tryRoute(
  routeKey: string,
  method: string,
  path: string,
): { pathParameters: Record<string, string>; score: string } | undefined {
  const [wanted = '', pattern = ''] = routeKey.split(' ');
  if (wanted !== 'ANY' && wanted !== method) return undefined;
  const parts = pattern.split('/').slice(1);
  const given = path.split('/').slice(1);
  const pathParameters: Record<string, string> = {};
  let score = '1';
  for (const [index, part] of parts.entries()) {
    const name = /^\{(.+?)(\+?)\}$/.exec(part);
    const value = given[index];
    if (value === undefined) return undefined;
    if (name === null) {
      if (part !== value) return undefined;
      score += '3';
    } else if (name[2] === '+') {
      pathParameters[name[1] ?? ''] = given.slice(index).join('/');
      return { pathParameters, score: `${score}1${wanted === 'ANY' ? '0' : '1'}` };
    } else {
      pathParameters[name[1] ?? ''] = value;
      score += '2';
    }
  }
  if (given.length !== parts.length) return undefined;
  return { pathParameters, score: score + (wanted === 'ANY' ? '0' : '1') };
}
