import type { AnyMessageContent, WAMessageContent } from '@whiskeysockets/baileys';
import type { Content } from '../../lib/domain/content.ts';

/** Returns a content in the form that Baileys sends. */
export function stanzaOf(content: Content): AnyMessageContent {
  switch (content.type) {
    case 'text':
      return { text: content.text, linkPreview: null };
    default:
      return content.type satisfies never;
  }
}

/** Returns the message that Baileys made of a content, for a device that asks for it again. */
export function sentAgain(content: Content): WAMessageContent {
  switch (content.type) {
    case 'text':
      return { extendedTextMessage: { text: content.text } };
    default:
      return content.type satisfies never;
  }
}
