import { Controller, Get, Header, Next, Req, Res } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { EXPLORER_PAGE, EXPLORER_SCRIPT, EXPLORER_STYLE } from './explorer-page.js';

/** Nothing but what this server itself serves. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** A page to try operations with, for browsers that open `/graphql`. Needs no network. */
@Controller('graphql')
export class ExplorerController {
  /** Every other client's GET goes on to Apollo. */
  @Get()
  page(@Req() request: Request, @Res() response: Response, @Next() next: NextFunction): void {
    if (request.query['query'] !== undefined || !prefersHtml(request)) return next();
    response.set({ 'Content-Security-Policy': POLICY, 'X-Content-Type-Options': 'nosniff', Vary: 'Accept' });
    response.type('html').send(EXPLORER_PAGE);
  }

  @Get('explorer.js')
  @Header('Content-Type', 'text/javascript; charset=utf-8')
  script(): string {
    return EXPLORER_SCRIPT;
  }

  @Get('explorer.css')
  @Header('Content-Type', 'text/css; charset=utf-8')
  style(): string {
    return EXPLORER_STYLE;
  }
}

/** Browsers name HTML; clients that take anything get what they always got. */
function prefersHtml(request: Request): boolean {
  return (
    request.get('accept')?.includes('text/html') === true &&
    request.accepts(['html', 'application/json']) === 'html'
  );
}
