import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorXml, type S3Error } from './error.ts';
import type { Credentials } from './signature.ts';
import type { ObjectDatabase } from './store.ts';

export interface S3Context {
  database: ObjectDatabase;
  now: () => number;
  credentials: Credentials;
  /** Called after notifications were stored. */
  eventsAdded: () => void;
}

/** One parsed request. */
export interface S3Request {
  incoming: IncomingMessage;
  method: string;
  bucket: string;
  key: string;
  query: URLSearchParams;
  requestId: string;
}

export function sendXml(response: ServerResponse, xml: string): void {
  response.writeHead(200, { 'content-type': 'application/xml' });
  response.end(`<?xml version="1.0" encoding="UTF-8"?>\n${xml}`);
}

export function sendError(response: ServerResponse, error: S3Error, method: string): void {
  const body = errorXml(error, String(response.getHeader('x-amz-request-id')));
  response.writeHead(error.status, { 'content-type': 'application/xml' });
  response.end(method === 'HEAD' ? undefined : body);
}
