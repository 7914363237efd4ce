// The three wire formats: how a conversation is asked, and how the events of an answer are read.

const words = (turn) => ({ role: turn.role, content: turn.text });

export const formats = {
  ui: {
    path: "api/chat",
    messages: (turns) => turns.filter((turn) => !turn.tool).map((turn) => ({
      role: turn.role, parts: [{ type: "text", text: turn.text }],
    })),
    read(answer, data) {
      const call = data.toolCallId && (answer.tools[data.toolCallId] ??= { name: data.toolName, arguments: "" });
      if (data.type === "reasoning-delta") answer.reasoning += data.delta;
      else if (data.type === "text-delta") answer.text += data.delta;
      else if (data.type === "tool-input-delta") call.arguments += data.inputTextDelta;
      else if (data.type === "tool-output-available") call.result = data.output;
      else if (data.type === "finish") answer.ended = true;
    },
  },

  openai: {
    path: "v1/chat/completions",
    messages: (turns) => turns.map((turn) => {
      if (turn.role === "tool") return { role: "tool", tool_call_id: turn.tool.id, content: JSON.stringify(turn.tool.result) };
      if (!turn.tool) return words(turn);
      const { id, name, arguments: given } = turn.tool;
      return { role: "assistant", content: null, tool_calls: [{ id, type: "function", function: { name, arguments: given } }] };
    }),
    read(answer, data) {
      const choice = data.choices?.[0];
      if (!choice) return;
      answer.reasoning += choice.delta.reasoning_content ?? "";
      answer.text += choice.delta.content ?? "";
      for (const part of choice.delta.tool_calls ?? []) {
        if (part.id) answer.tools[part.id] = answer.current = { id: part.id, name: part.function.name, arguments: "" };
        answer.current.arguments += part.function.arguments ?? "";
      }
      if (choice.finish_reason) answer.ended = true;
      if (choice.finish_reason === "tool_calls") answer.calls = answer.current;
    },
  },

  anthropic: {
    path: "v1/messages",
    messages: (turns) => turns.map((turn) => {
      if (turn.role === "tool") {
        const result = { type: "tool_result", tool_use_id: turn.tool.id, content: JSON.stringify(turn.tool.result) };
        return { role: "user", content: [result] };
      }
      if (!turn.tool) return words(turn);
      const { id, name, arguments: given } = turn.tool;
      return { role: "assistant", content: [{ type: "tool_use", id, name, input: JSON.parse(given) }] };
    }),
    read(answer, data) {
      const block = data.content_block;
      if (block?.type === "tool_use") {
        answer.tools[block.id] = answer.current = { id: block.id, name: block.name, arguments: "" };
      }
      answer.reasoning += data.delta?.thinking ?? "";
      answer.text += data.delta?.text ?? "";
      if (data.delta?.partial_json) answer.current.arguments += data.delta.partial_json;
      if (data.delta?.stop_reason === "tool_use") answer.calls = answer.current;
      if (data.type === "message_stop") answer.ended = true;
    },
  },
};

/** The JSON payloads of a response's server-sent events, as they come. */
export async function* payloads(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (waiting + value).split("\n\n");
    waiting = events.pop();
    for (const event of events) {
      const data = event.split("\n").find((line) => line.startsWith("data: "))?.slice(6);
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}
