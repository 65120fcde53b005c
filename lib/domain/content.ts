/**
 * The content of a message. A closed union: each kind has its `type`, and every `switch` over it ends in `never`. Page rows, messages, templates and
 * transports carry a `Content`, never a bare text.
 */
export type Content = TextContent;

export interface TextContent {
  type: 'text';
  text: string;
}

/**
 * The stored form of a content, in page rows and content items. Version 1 has no version field and holds only a text. All releases so far
 * have written this form. A kind that needs more gets a form with a field `v`; the reader of version 1 stays.
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

/** Returns the text of a content, for lists, for files and for transports that carry only text. */
export function textOf(content: Content): string {
  switch (content.type) {
    case 'text':
      return content.text;
    default:
      return content.type satisfies never;
  }
}
