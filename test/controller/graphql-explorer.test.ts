import { createContext, Script } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GraphqlApiModule } from '../../src/index.js';
import { EXPLORER_SCRIPT } from '../../src/graphql/explorer/explorer-page.js';
import { saying, startOverFake, type FakeApp } from '../support/fake-models.js';
import { query } from '../support/graphql.js';

const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };

let fake: FakeApp;
beforeAll(async () => {
  fake = await startOverFake(GraphqlApiModule.forRoot({ introspection: true }));
  fake.models.script = () => saying('Hello');
});
afterAll(() => fake.app.close());

describe('the explorer', () => {
  it('is what a browser gets at /graphql, and needs nothing from elsewhere', async () => {
    const response = await fetch(`${fake.url}/graphql`, { headers: BROWSER });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self'/);
    const page = await response.text();
    expect(page).not.toMatch(/https?:|<script>|<style| on\w+=| style=/);
    const links = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link as string);
    expect(links).toHaveLength(2);
    for (const link of links) expect((await fetch(new URL(link, fake.url))).status).toBe(200);
  });

  it('does not stand in the way of clients', async () => {
    expect((await query(fake.url, '{ __typename }')).status).toBe(200);
    const search = new URLSearchParams({ query: '{ __typename }' });
    const headers = { ...BROWSER, 'content-type': 'application/json' };
    const answer = await fetch(`${fake.url}/graphql?${search.toString()}`, { headers });
    expect(await answer.json()).toEqual({ data: { __typename: 'Query' } });
    const plain = await fetch(`${fake.url}/graphql`);
    expect(plain.headers.get('content-type')).not.toContain('text/html');
  });

  it('can be switched off', async () => {
    const other = await startOverFake(GraphqlApiModule.forRoot({ introspection: true, explorer: false }));
    const response = await fetch(`${other.url}/graphql`, { headers: BROWSER });
    expect(response.status).toBe(400);
    expect((await fetch(`${other.url}/graphql/explorer.js`)).status).toBe(400);
    await other.app.close();
  });

  it('runs operations and shows their results', async () => {
    const page = new FakePage(fake.url);
    page.at('query').value = 'subscription { generate(input: { prompt: "a" }) { text } }';
    page.at('variables').value = '';
    page.submit();
    await expect.poll(() => page.at('status').textContent).toMatch(/^\d+ ms$/);
    expect(page.results()).toEqual([
      { data: { generate: { text: 'Hello' } } },
      { data: { generate: { text: '' } } },
    ]);
  });

  it('shows the schema', async () => {
    const page = new FakePage(fake.url);
    page.at('schema').fire('click');
    await expect.poll(() => page.at('status').textContent).toMatch(/^\d+ ms$/);
    expect(page.results()).toMatchObject([
      { data: { __schema: { subscriptionType: { fields: [{ name: 'generate' }] } } } },
    ]);
  });

  it('shows what is wrong', async () => {
    const page = new FakePage(fake.url);
    page.at('query').value = '{';
    page.submit();
    await expect.poll(() => page.at('status').textContent).toMatch(/^\d+ ms$/);
    expect(page.results()).toMatchObject([{ errors: [{}] }]);
    page.at('variables').value = '{';
    page.submit();
    expect(page.at('status').textContent).toMatch(/^Variables: /);
  });
});

/** An element as far as the explorer's script knows one. */
class FakeElement {
  value = '';
  textContent = '';
  disabled = false;
  readonly #listeners = new Map<string, (event: object) => void>();

  addEventListener(type: string, listener: (event: object) => void): void {
    this.#listeners.set(type, listener);
  }

  fire(type: string): void {
    this.#listeners.get(type)?.({ preventDefault: () => undefined });
  }

  append(text: string): void {
    this.textContent += text;
  }
}

/** Runs the explorer's script in a context that has what it uses of a browser. */
class FakePage {
  readonly #elements = new Map<string, FakeElement>();

  constructor(base: string) {
    const context = createContext({
      document: { getElementById: (id: string) => this.at(id) },
      fetch: (path: string, init: RequestInit) => fetch(new URL(path, base), init),
      AbortController,
      TextDecoderStream,
      performance,
      JSON,
      String,
    });
    new Script(EXPLORER_SCRIPT).runInContext(context);
  }

  at(id: string): FakeElement {
    const element = this.#elements.get(id) ?? new FakeElement();
    this.#elements.set(id, element);
    return element;
  }

  submit(): void {
    this.at('form').fire('submit');
  }

  results(): unknown[] {
    const texts = this.at('result').textContent.split('\n}\n').slice(0, -1);
    return texts.map((text) => JSON.parse(`${text}\n}`) as unknown);
  }
}
