// Blocks that Slack's own types must refuse: a line below that they take fails the check, for it is no oracle then.
import type { KnownBlock } from "@slack/types";

export const right = [
  { type: "header", text: { type: "plain_text", text: "x", emoji: false } },
  { type: "section", text: { type: "mrkdwn", text: "x", verbatim: true } },
  { type: "context", elements: [{ type: "mrkdwn", text: "x" }] },
] satisfies KnownBlock[];

// @ts-expect-error an unknown type
export const kind = [{ type: "sektion", text: { type: "mrkdwn", text: "x" } }] satisfies KnownBlock[];
// @ts-expect-error no type
export const untyped = [{ text: { type: "mrkdwn", text: "x" } }] satisfies KnownBlock[];
// @ts-expect-error a header is plain text
export const header = [{ type: "header", text: { type: "mrkdwn", text: "x" } }] satisfies KnownBlock[];
// @ts-expect-error a header has a text
export const empty = [{ type: "header" }] satisfies KnownBlock[];
// @ts-expect-error an unknown key of a block
export const key = [{ type: "section", text: { type: "mrkdwn", text: "x" }, unknown: 1 }] satisfies KnownBlock[];
// @ts-expect-error an unknown key of a text
export const inner = [{ type: "section", text: { type: "mrkdwn", text: "x", unknown: 1 } }] satisfies KnownBlock[];
// @ts-expect-error only plain text has emoji
export const emoji = [{ type: "section", text: { type: "mrkdwn", text: "x", emoji: true } }] satisfies KnownBlock[];
// @ts-expect-error a text is a string
export const text = [{ type: "section", text: { type: "mrkdwn", text: 7 } }] satisfies KnownBlock[];
// @ts-expect-error a context has elements
export const context = [{ type: "context", text: { type: "mrkdwn", text: "x" } }] satisfies KnownBlock[];
