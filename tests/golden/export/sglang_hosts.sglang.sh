# hosts of chat.mem, written by `planner export --to sglang`: the same lock, the same file.
# lock      5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed (planner 0.2.0)
# for       SGLang 0.5.23 on 16 x a40
# offer     aws/us-east-1/p5.48xlarge, on_demand, 2 of it
# hosts     2, this on each of them: NODE_RANK from 0, MASTER_ADDR of the first
sglang serve \
  --model-path meta-llama/Llama-3.1-8B-Instruct \
  --dtype bfloat16 \
  --kv-cache-dtype fp8_e4m3 \
  --context-length 8192 \
  --max-running-requests 256 \
  --chunked-prefill-size 2048 \
  --mem-fraction-static 0.92 \
  --tp-size 8 \
  --pp-size 2 \
  --ep-size 1 \
  --nnodes 2 \
  --host 0.0.0.0 \
  --port 30000 \
  --node-rank "${NODE_RANK:?}" \
  --dist-init-addr "${MASTER_ADDR:?}:20000"
