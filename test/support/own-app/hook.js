// A function of a team that is asked about publishes. The first message says what it does.
exports.handler = async ({ channel, caller, messages, text }) => {
  if (text !== undefined) return { text: text.toUpperCase() };
  if (channel.startsWith('hooked/late/')) await new Promise((done) => setTimeout(done, 1_000));
  const [{ please }] = messages;
  if (please === 'refuse') return { refuse: { message: `nobody may say that on ${channel}` } };
  if (please === 'fail') throw new Error('a secret of the team');
  if (please === 'nonsense') return 'ok';
  return { messages: messages.map((message) => ({ ...message, seen: String(caller.sub) })) };
};
