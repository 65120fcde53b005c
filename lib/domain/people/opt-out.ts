/** Languages that have a word to opt out (ISO 639-1). */
export type OptLanguage = 'en' | 'fr' | 'es' | 'pt' | 'de' | 'it' | 'ru' | 'tr' | 'ar' | 'hi' | 'id' | 'zh' | 'ja';

/** The meaning of a word: `stop` for no more messages, `start` for messages again. */
export type OptWord = { kind: 'stop'; language: OptLanguage } | { kind: 'start' };

/** Words that opt out, by language. */
const stopWords: Record<OptLanguage, string[]> = {
  en: ['STOP', 'STOPALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT', 'REVOKE', 'OPTOUT', 'REMOVE'],
  fr: ['ARRET'],
  es: ['BAJA', 'CANCELAR'],
  pt: ['PARAR', 'SAIR'],
  de: ['STOPP', 'ABMELDEN'],
  it: ['BASTA', 'ANNULLA'],
  ru: ['СТОП', 'ОТПИСАТЬСЯ'],
  tr: ['DUR', 'İPTAL'],
  ar: ['إيقاف', 'إلغاء'],
  hi: ['बंद'],
  id: ['BERHENTI'],
  zh: ['退订', '停止'],
  ja: ['解除'],
};
const startWords = ['START', 'UNSTOP'];

/** Sent once to a person who opts out. */
const confirmations: Record<OptLanguage, string> = {
  en: 'You will receive no more messages from us. Reply START to receive them again.',
  fr: 'Vous ne recevrez plus de messages de notre part. Répondez START pour en recevoir à nouveau.',
  es: 'No recibirá más mensajes nuestros. Responda START para volver a recibirlos.',
  pt: 'Você não receberá mais mensagens nossas. Responda START para voltar a recebê-las.',
  de: 'Sie erhalten keine Nachrichten mehr von uns. Antworten Sie START, um sie wieder zu erhalten.',
  it: 'Non riceverà più messaggi da noi. Risponda START per riceverli di nuovo.',
  ru: 'Вы больше не будете получать от нас сообщения. Ответьте START, чтобы снова их получать.',
  tr: 'Artık bizden mesaj almayacaksınız. Yeniden almak için START yazın.',
  ar: 'لن تصلك رسائل منا بعد الآن. أرسل START لاستلامها من جديد.',
  hi: 'अब आपको हमारे संदेश नहीं मिलेंगे। दोबारा पाने के लिए START लिखें।',
  id: 'Anda tidak akan menerima pesan dari kami lagi. Balas START untuk menerimanya kembali.',
  zh: '您将不再收到我们的消息。回复 START 可重新接收。',
  ja: '今後メッセージは届きません。再開するには START と返信してください。',
};

/** No longer text can be one of the words alone. */
const longestText = 64;

const words: ReadonlyMap<string, OptWord> = new Map<string, OptWord>([
  ...Object.entries(stopWords).flatMap(([language, list]) =>
    list.map((word): [string, OptWord] => [fold(word), { kind: 'stop', language: language as OptLanguage }]),
  ),
  ...startWords.map((word): [string, OptWord] => [fold(word), { kind: 'start' }]),
]);

/**
 * Returns the meaning of a text that is one of the words and nothing else; undefined for any other text. Case, accents, spaces, punctuation and
 * invisible characters are ignored.
 */
export function optWordOf(text: string): OptWord | undefined {
  return text.length > longestText ? undefined : words.get(fold(text));
}

/** Returns the message that confirms an opt-out, in the language of its word. */
export function confirmationIn(language: OptLanguage): string {
  return confirmations[language];
}

/**
 * Returns the text for comparison: in compatibility form and lower case, without accents, vowel marks, spaces, punctuation and invisible
 * characters. Marks that change a letter stay (Devanagari). The Turkish İ, I and ı all become i.
 */
function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/(?=\p{M})\p{Script=Inherited}/gu, '')
    .toLowerCase()
    .replace(/(?=\p{M})\p{Script=Inherited}/gu, '')
    .replaceAll('ı', 'i')
    .replace(/[\p{P}\p{S}\p{Z}\p{C}\p{Default_Ignorable_Code_Point}\u0640]/gu, '');
}
