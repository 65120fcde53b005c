/** Languages of which a word ends or begins messages (ISO 639-1). */
export type OptLanguage = 'en' | 'fr' | 'es' | 'pt' | 'de' | 'it' | 'ru' | 'tr' | 'ar' | 'hi' | 'id' | 'zh' | 'ja';

/** What a person asks for with one word: no more messages, or messages again. */
export type OptWord = { kind: 'stop'; language: OptLanguage } | { kind: 'start' };

/** The words of whatsapp.md, Opt-out words. */
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

/** Said once to whoever opts out. */
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

/** A message that is longer holds more than one of the words. */
const longestText = 64;

const words: ReadonlyMap<string, OptWord> = new Map<string, OptWord>([
  ...Object.entries(stopWords).flatMap(([language, list]) =>
    list.map((word): [string, OptWord] => [fold(word), { kind: 'stop', language: language as OptLanguage }]),
  ),
  ...startWords.map((word): [string, OptWord] => [fold(word), { kind: 'start' }]),
]);

/** What the whole text asks for; undefined for everything that is not one of the words alone. Case, accents, spaces, punctuation and what shows nothing do not count. */
export function optWordOf(text: string): OptWord | undefined {
  return text.length > longestText ? undefined : words.get(fold(text));
}

/** What a person is told after opting out, in the language of the word. */
export function confirmationIn(language: OptLanguage): string {
  return confirmations[language];
}

/**
 * Compatibility forms, accents and vowel marks taken off where they do not make another letter (the marks of Devanagari stay), small
 * letters whatever the locale: a Turkish İ, I and ı are all i.
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
