#!/bin/bash
# two_hosts of chat.mem, written by `planner export --to slurm`: the same lock, the same file.
# lock      5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed (planner 0.2.0)
# for       vLLM 0.32 on 16 x a40
# offer     aws/us-east-1/p5.48xlarge, on_demand, 2 of it
# submit    sbatch FILE; it serves until the partition's limit of time, or that of --time
#SBATCH --job-name=two-hosts
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --mem=0
set -euo pipefail
leader="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)"
port=$((20000 + SLURM_JOB_ID % 10000))
export leader port
serve() {
  export VLLM_USE_FLASHINFER_SAMPLER=0
  more=()
  [ "$SLURM_NODEID" = 0 ] || more=(--headless)
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
    --node-rank "$SLURM_NODEID" \
    --master-addr "$leader" \
    "${more[@]}"
}
export -f serve
srun --cpus-per-task="$SLURM_CPUS_ON_NODE" --kill-on-bad-exit=1 bash -c serve
