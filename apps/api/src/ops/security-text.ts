import type { RequestHandler } from 'express';

const validMs = 180 * 86_400_000;

/** `GET /.well-known/security.txt` (https://www.rfc-editor.org/rfc/rfc9116). */
export function securityText(contact: string): RequestHandler {
  return (_request, response) => {
    const expires = new Date(Date.now() + validMs).toISOString();
    response.type('text').send(`Contact: ${contact}\nExpires: ${expires}\nPreferred-Languages: en\n`);
  };
}
