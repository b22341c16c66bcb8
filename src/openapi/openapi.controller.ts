import { Controller, Get, Header, NotFoundException, Param, StreamableFile } from '@nestjs/common';
import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { DOCS_FILES, DOCS_INIT, DOCS_PAGE, DOCS_POLICY } from './docs-page.js';
import { openApiDocument } from './openapi-document.js';

const require = createRequire(import.meta.url);

/** The document of the REST API, and a page that shows it; both work without a network. */
@Controller()
export class OpenApiController {
  #document: object | undefined;

  @Get('openapi.json')
  document(): object {
    // a start needn't wait for it
    return (this.#document ??= openApiDocument());
  }

  @Get('docs')
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Content-Security-Policy', DOCS_POLICY)
  page(): string {
    return DOCS_PAGE;
  }

  @Get('docs/init.js')
  @Header('Content-Type', 'text/javascript; charset=utf-8')
  init(): string {
    return DOCS_INIT;
  }

  @Get('docs/:file')
  file(@Param('file') name: string): StreamableFile {
    const file = DOCS_FILES.find((known) => known === name);
    if (file === undefined) throw new NotFoundException(`Cannot GET /docs/${name}`);
    const path = require.resolve(`swagger-ui-dist/${file}`);
    return new StreamableFile(createReadStream(path), { type: contentType(file) });
  }
}

function contentType(file: (typeof DOCS_FILES)[number]): string {
  switch (file) {
    case 'swagger-ui.css':
      return 'text/css; charset=utf-8';
    case 'swagger-ui-bundle.js':
      return 'text/javascript; charset=utf-8';
    case 'favicon-32x32.png':
      return 'image/png';
    default:
      return file satisfies never;
  }
}
