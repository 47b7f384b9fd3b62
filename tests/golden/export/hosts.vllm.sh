# two_hosts of chat.mem, written by `planner export --to vllm`: the same lock, the same file.
# lock      5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed (planner 0.2.0)
# for       vLLM 0.32 on 16 x a40
# offer     aws/us-east-1/p5.48xlarge, on_demand, 2 of it
# hosts     2, this on each of them: NODE_RANK from 0, MASTER_ADDR of the first
export VLLM_USE_FLASHINFER_SAMPLER=0
vllm serve meta-llama/Llama-3.1-8B-Instruct \
  --dtype bfloat16 \
  --kv-cache-dtype fp8_e4m3 \
  --max-model-len 8192 \
  --max-num-seqs 256 \
  --max-num-batched-tokens 2048 \
  --gpu-memory-utilization 0.92 \
  --nnodes 2 \
  --tensor-parallel-size 8 \
  --pipeline-parallel-size 2 \
  --distributed-executor-backend mp \
  --node-rank "${NODE_RANK:?}" \
  --master-addr "${MASTER_ADDR:?}" \
  $([ "$NODE_RANK" = 0 ] || echo --headless)
