# chat of chat.mem, written by `planner export --to llama-server`: the same lock, the same file.
# lock      5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed (planner 0.2.0)
# for       llama.cpp 10434 on 1 x a40
# offer     runpod/secure/1x_A40_SECURE, on_demand, 1 of it
# slots     32 of 8192 tokens: -c is their product
llama-server \
  -m 'models/my model.gguf' \
  -c 262144 \
  -np 32 \
  --no-kv-unified \
  -b 2048 \
  -ub 512 \
  -ctk q8_0 \
  -ctv q8_0 \
  -fa on \
  -ngl 999 \
  -sm none \
  -fit off \
  --cache-ram 0 \
  --ctx-checkpoints 0 \
  --host 0.0.0.0 \
  --port 8080
