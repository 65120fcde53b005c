/** An XML element of S3's request bodies. It has text or children; attributes are ignored. */
export interface XmlElement {
  name: string;
  text: string;
  children: XmlElement[];
}

/** Parses a whole document; undefined when it is not well formed. */
export function parseXml(source: string): XmlElement | undefined {
  const root: XmlElement = { name: '', text: '', children: [] };
  const open: XmlElement[] = [root];
  for (const [, tag, text] of source.matchAll(/<([^>]*)>|([^<]+)/g)) {
    const parent = open.at(-1);
    if (parent === undefined) return undefined;
    if (text !== undefined) parent.text += unescapeText(text);
    else if (tag === undefined || tag.startsWith('?') || tag.startsWith('!')) continue;
    else if (tag.startsWith('/')) {
      if (open.pop()?.name !== tag.slice(1).trim() || open.length === 0) return undefined;
    } else {
      const child = { name: tag.replace(/\/$/, '').split(/\s/)[0] ?? '', text: '', children: [] };
      parent.children.push(child);
      if (!tag.endsWith('/')) open.push(child);
    }
  }
  return open.length === 1 ? root.children[0] : undefined;
}

export function childrenNamed(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter((child) => child.name === name);
}

export function textOf(element: XmlElement | undefined, name: string): string | undefined {
  return element === undefined ? undefined : childrenNamed(element, name)[0]?.text;
}

/** Returns an element with a text, which is escaped, or with children that are XML already. */
export function element(name: string, content: string | number | boolean | string[]): string {
  return `<${name}>${Array.isArray(content) ? content.join('') : escapeText(String(content))}</${name}>`;
}

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

function escapeText(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => ESCAPES[char] ?? char).replaceAll('\r', '&#13;');
}

function unescapeText(text: string): string {
  return text.replaceAll(/&(#x[0-9a-fA-F]+|#\d+|amp|lt|gt|quot|apos);/g, (whole, name: string) => {
    if (name.startsWith('#x')) return String.fromCodePoint(Number.parseInt(name.slice(2), 16));
    if (name.startsWith('#')) return String.fromCodePoint(Number(name.slice(1)));
    return Object.keys(ESCAPES).find((char) => ESCAPES[char] === whole) ?? whole;
  });
}
