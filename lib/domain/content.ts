/**
 * What a message says. A closed union: each kind has its `type`, and every `switch` over it ends in `never`. Page rows, messages, templates and
 * transports carry a `Content`, never a bare text.
 */
export type Content = TextContent;

export interface TextContent {
  type: 'text';
  text: string;
}

/**
 * The stored form of a content, in page rows and content items. Version 1 has no version field and holds a text alone: pages and items of every
 * release so far are of that form. A kind that needs more gets a form with `v`, beside a reader for this one.
 */
export interface StoredContent {
  text: string;
}

export const textContent = (text: string): TextContent => ({ type: 'text', text });

/** Returns the form to store. */
export function storedContent(content: Content): StoredContent {
  switch (content.type) {
    case 'text':
      return { text: content.text };
    default:
      return content.type satisfies never;
  }
}

/** Returns the content that a stored form holds. */
export function readStoredContent(stored: StoredContent): Content {
  return textContent(stored.text);
}

/** Returns the words of a content, for lists, for files and for transports that carry text alone. */
export function textOf(content: Content): string {
  switch (content.type) {
    case 'text':
      return content.text;
    default:
      return content.type satisfies never;
  }
}
