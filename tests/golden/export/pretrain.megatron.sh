# tune of tune.mem, written by `planner export --to megatron`: the same lock, the same file.
# lock      5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed (planner 0.2.0)
# for       megatron on 16 x h100_sxm
# offer     verda/FIN-02/1H100.80S.32V, on_demand, 1 of it
# model     meta-llama/Llama-3.1-8B; the learning rate and the data are the script's
# start     16 processes on 1 machine
# unchecked its launcher is in no package; the model's own options stand beside these
options=(
  --micro-batch-size 1
  --seq-length 8192
  --tensor-model-parallel-size 4
  --pipeline-model-parallel-size 1
  --context-parallel-size 1
  --expert-model-parallel-size 1
  --sequence-parallel
  --global-batch-size 16
  --train-iters 763
  --bf16
  --attention-dropout 0
  --hidden-dropout 0
  --optimizer adam
  --accumulate-allreduce-grads-in-fp32
  --use-distributed-optimizer
  --recompute-granularity full
  --recompute-method block
  --recompute-num-layers 26
)
