# experts of chat.mem, written by `planner export --to vllm`: the same lock, the same file.
# lock      5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed (planner 0.2.0)
# for       vLLM 0.32 on 8 x a40
# offer     aws/us-east-1/p5.48xlarge, on_demand, 1 of it
# weights   the checkpoint is in fp8_e4m3 and says so itself
export VLLM_USE_FLASHINFER_SAMPLER=0
vllm serve deepseek-ai/DeepSeek-V3 \
  --dtype bfloat16 \
  --kv-cache-dtype bfloat16 \
  --max-model-len 8192 \
  --max-num-seqs 256 \
  --max-num-batched-tokens 2048 \
  --gpu-memory-utilization 0.92 \
  --tensor-parallel-size 1 \
  --pipeline-parallel-size 1 \
  --data-parallel-size 8 \
  --all2all-backend deepep_high_throughput \
  --enable-expert-parallel
