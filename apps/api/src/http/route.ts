import type { Actions } from '@auditbox/core/event/event-schema.ts';
import type { Scope } from '@auditbox/core/keys/scopes.ts';
import type { RequestHandler } from 'express';
import type { z } from 'zod';
import type { ZodOpenApiOperationObject } from 'zod-openapi';
import type { ApiParts } from '../parts.ts';
import type { BodyRules } from './body.ts';

/** What a route is to HTTP, to readers of the reference, and to the api. */
export interface Route {
  readonly method: 'get' | 'post' | 'delete';
  /** In the form of Express: `/audit/:id`. */
  readonly path: string;
  /** The scope that the caller's key needs; `any key` needs a valid key, `public` needs none. */
  readonly access: Scope | 'any key' | 'public';
  /** Present: the answer says something about each tenant, so a key that is bound to one gets a 403. */
  readonly isOfAllTenants?: true;
  /** Missing: the route has no body. */
  readonly body?: BodyRules;
  /** Statuses of this route's own problems. `access` and `body` add theirs. */
  readonly problems: readonly ProblemStatus[];
  /** Its part of the OpenAPI document, except for what follows from the other members. */
  readonly operation: (wire: WireForm) => ZodOpenApiOperationObject;
  readonly createHandler: (parts: ApiParts) => RequestHandler;
}

/** The statuses of problems that the OpenAPI document describes. */
export type ProblemStatus = 400 | 401 | 403 | 404 | 406 | 409 | 413 | 415 | 422 | 429 | 503;

/** What the OpenAPI document knows of the api that it describes. */
export interface WireForm {
  readonly actions: Actions;
  readonly newAuditEvent: z.ZodType;
}

/** The actions that are documented one by one. */
export function listActions(actions: Actions): readonly string[] {
  return actions === 'any' ? [] : actions;
}
