# chat of chat.mem, written by `planner export --to vllm`: the same lock, the same file.
# lock      5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed (planner 0.2.0)
# for       vLLM 0.32 on 8 x a40
# offer     runpod/secure/1x_A40_SECURE, on_demand, 1 of it
# replicas  4: start this for each, on 2 GPUs of its own
export VLLM_USE_FLASHINFER_SAMPLER=0
vllm serve meta-llama/Llama-3.1-8B-Instruct \
  --dtype bfloat16 \
  --kv-cache-dtype fp8_e4m3 \
  --max-model-len 8192 \
  --max-num-seqs 256 \
  --max-num-batched-tokens 2048 \
  --gpu-memory-utilization 0.92 \
  --tensor-parallel-size 2 \
  --pipeline-parallel-size 1 \
  --enable-prefix-caching \
  --enable-lora \
  --max-loras 4 \
  --max-lora-rank 16
