#!/bin/bash
# tune of tune.mem, written by `planner export --to slurm`: the same lock, the same file.
# lock      5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed (planner 0.2.0)
# for       megatron on 16 x h100_sxm
# offer     verda/FIN-02/1H100.80S.32V, on_demand, 2 of it
# model     meta-llama/Llama-3.1-8B; the learning rate and the data are the script's
# start     16 processes on 2 machines
# submit    sbatch FILE SCRIPT OPTIONS
#SBATCH --job-name=tune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --mem=0
set -euo pipefail
leader="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)"
port=$((20000 + SLURM_JOB_ID % 10000))
export leader port
train() {
  torchrun \
    --nnodes 2 \
    --nproc-per-node 8 \
    --rdzv-backend c10d \
    --rdzv-id "$SLURM_JOB_ID" \
    --rdzv-endpoint "$leader:$port" \
    "$@" \
    --micro-batch-size 1 \
    --seq-length 8192 \
    --tensor-model-parallel-size 4 \
    --pipeline-model-parallel-size 1 \
    --context-parallel-size 1 \
    --expert-model-parallel-size 1 \
    --sequence-parallel \
    --global-batch-size 16 \
    --train-iters 763 \
    --bf16 \
    --attention-dropout 0 \
    --hidden-dropout 0 \
    --optimizer adam \
    --accumulate-allreduce-grads-in-fp32 \
    --use-distributed-optimizer \
    --recompute-granularity full \
    --recompute-method block \
    --recompute-num-layers 26
}
export -f train
srun --cpus-per-task="$SLURM_CPUS_ON_NODE" --kill-on-bad-exit=1 bash -c 'train "$@"' train "$@"
