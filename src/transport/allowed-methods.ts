import type { Request } from 'express';

/** What is needed of Express's router: a layer of its stack; without a route it is a middleware. */
interface Layer {
  readonly route?: { readonly stack: readonly { readonly method?: string }[] };
  match(path: string): boolean;
}

/** The methods that a path is served with, e.g. `GET`, `HEAD`; none: there is no such path. */
export function allowedMethods({ app, path }: Request): string[] {
  const layers = app.router.stack as unknown as readonly Layer[];
  const methods = layers
    .filter((layer) => layer.route && matches(layer, path))
    .flatMap(({ route }) => route?.stack.map(({ method = '' }) => method.toUpperCase()) ?? []);
  // Express answers HEAD wherever it answers GET
  if (methods.includes('GET')) methods.push('HEAD');
  return [...new Set(methods)].filter(Boolean);
}

/** A path whose escapes can't be decoded matches nothing. */
function matches(layer: Layer, path: string): boolean {
  try {
    return layer.match(path);
  } catch {
    return false;
  }
}
