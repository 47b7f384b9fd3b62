# chat of chat.mem, written by `planner export --to sglang`: the same lock, the same file.
# lock      5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed (planner 0.2.0)
# for       SGLang 0.5.23 on 2 x a40
# offer     runpod/secure/1x_A40_SECURE, on_demand, 1 of it
sglang serve \
  --model-path meta-llama/Llama-3.1-8B-Instruct \
  --dtype bfloat16 \
  --kv-cache-dtype bf16 \
  --context-length 8192 \
  --max-running-requests 256 \
  --chunked-prefill-size 2048 \
  --mem-fraction-static 0.92 \
  --tp-size 2 \
  --pp-size 1 \
  --ep-size 1 \
  --host 0.0.0.0 \
  --port 30000
