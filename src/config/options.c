/* options.c - the option table: the only place that knows a key, its type, default, range and help.
 */
#include <string.h>

#include "csctrl/config.h"

#define BOOL(key, text, help)                                                                      \
    {                                                                                              \
        key, CSCTRL_OPTION_BOOL, text, 0, 1, NULL, "", help                                        \
    }
#define INT(key, text, low, high, unit, help)                                                      \
    {                                                                                              \
        key, CSCTRL_OPTION_INT, text, low, high, NULL, unit, help                                  \
    }
#define REAL(key, text, low, high, unit, help)                                                     \
    {                                                                                              \
        key, CSCTRL_OPTION_REAL, text, low, high, NULL, unit, help                                 \
    }
#define REALS(key, text, low, high, help)                                                          \
    {                                                                                              \
        key, CSCTRL_OPTION_REALS, text, low, high, NULL, "", help                                  \
    }
#define BOOLS(key, text, help)                                                                     \
    {                                                                                              \
        key, CSCTRL_OPTION_BOOLS, text, 0, 1, NULL, "", help                                       \
    }
#define TEXT(key, text, help)                                                                      \
    {                                                                                              \
        key, CSCTRL_OPTION_STRING, text, 0, 0, NULL, "", help                                      \
    }
#define CHOICE(key, text, choices, help)                                                           \
    {                                                                                              \
        key, CSCTRL_OPTION_CHOICE, text, 0, 0, choices, "", help                                   \
    }

enum { MANY = 1000000000 };

static const csctrl_option table[] = {
    INT("seed", "0", 0, 9007199254740991.0, "",
        "Seed of initial parameters, image order, augmentation and hold-out."),
    CHOICE("device", "auto", "auto|cpu|ref|cuda|cuda:N",
           "Backend: cpu is fast, ref is the plain C oracle, cuda:N is GPU number N from 0. auto "
           "takes the first GPU, where one can be used, or else cpu; with precision f64 ref, which "
           "alone has it and is far slower."),
    INT("threads", "0", 0, 4096, "", "Compute threads; 0 takes all processors of this process."),
    CHOICE("isa", "auto", "auto|avx512|avx2|portable",
           "Highest instruction set that the cpu backend may use."),
    CHOICE("precision", "f32", "f32|tf32|bf16|f64",
           "Element type of the computation. bf16: operands of convolutions (on device cpu, of "
           "csctrl's own), all else f32. tf32: the same on device cuda. f64 needs device ref."),
    TEXT(
        "tune", "off",
        "How device cpu chooses among ways to compute a layer: off by rule; on by measuring them "
        "when "
        "a model is made; a file's path the same, kept in that file, so that runs and resumed runs "
        "compute alike."),

    CHOICE(
        "parallel.comm", "none", "none|mpi|tcp|nccl",
        "How the ranks of a data-parallel run reach one another. csctrl sets mpi where mpirun or "
        "srun started it. tcp: without MPI, for few ranks. nccl: as mpi, or as tcp where there is "
        "a parallel.address, and what lies on GPUs goes by NCCL. train.batch is divided among the "
        "ranks."),
    TEXT("parallel.address", "",
         "host:port of the first rank, where the ranks of tcp meet. Of this launch only, as the "
         "next two."),
    INT("parallel.rank", "0", 0, 1000000, "",
        "Number of this process among the ranks of tcp. csctrl takes it from a launcher."),
    INT("parallel.ranks", "1", 1, 1000000, "",
        "Ranks that meet by tcp. csctrl takes it from a launcher."),
    CHOICE("parallel.batch_norm", "sync", "sync|local",
           "Statistics of a batch norm in training: of the whole batch, or of each rank's part."),

    CHOICE("data.kind", "auto", "auto|idx|cifar10|cifar100|folder|synthetic",
           "Format of the data set; auto tells it from the path. folder also means a tar of class "
           "folders."),
    TEXT("data.path", "", "Folder, .tar or .tar.gz of the data set; empty for synthetic."),
    TEXT("data.test_path", "",
         "Held-out data of the same kind; empty uses the set's own test split or data.holdout."),
    INT("data.size", "32", 4, 4096, "pixels",
        "Images are cropped to a square and resized to this side."),
    {"data.channels", CSCTRL_OPTION_INT, "1", 1, 3, "1|3", "",
     "1 (grey) or 3 (colour); images are converted."},
    REAL("data.holdout", "0.1", 0, 0.9, "",
         "Share of images held out when the set has no test split of its own."),
    INT("data.limit", "0", 0, MANY, "images",
        "Use at most so many images of each split; 0 uses all."),
    BOOL("data.flip", "false", "Flip training images left to right with probability 1/2."),
    INT("data.crop_pad", "0", 0, 64, "pixels",
        "Pad training images by reflection and crop at random; 0 is off."),
    INT("data.loader_threads", "1", 1, 256, "",
        "Threads that decode images; results do not depend on it."),
    INT("data.prefetch", "4", 1, 1024, "batches", "Batches decoded ahead."),
    INT("data.synthetic_count", "4096", 16, MANY, "images",
        "Training images of the synthetic set."),
    INT("data.synthetic_classes", "4", 1, 64, "", "Classes of the synthetic set."),

    CHOICE("model.arch", "csc", "csc|generic",
           "csc: convolutional sparse coding layers; generic: CTRL's pair of networks."),
    TEXT("model.layers", "16x4s2p1 32x4s2p1 64x4s2p1 64x4s1p0",
         "Encoder layers, first to last: ATOMSxKERNELsSTRIDEpPAD, separated by spaces."),
    REALS("model.steps", "2", 1, 10000,
          "T, unrolled FISTA steps; one value for all layers or one a layer."),
    REALS("model.lambda", "0.1", 0, 1000,
          "Sparsity weight lambda; one value for all layers or one a layer."),
    REALS("model.mu", "0", 0, 1000,
          "Ridge weight mu of the elastic net; one value for all layers or one a layer."),
    BOOLS("model.nonneg", "true",
          "Codes are non-negative; otherwise signed; one value for all layers or one a layer."),
    BOOL("model.momentum", "true", "FISTA momentum; false is ISTA."),
    REAL("model.step_scale", "0.9", 0.01, 1, "",
         "Step size eta as a share of 1 / lambda_max(A* A)."),
    BOOL("model.tied", "true",
         "The decoder uses the encoder's dictionaries; false gives it its own."),
    REAL("model.bn_momentum", "0.1", 0.0001, 1, "",
         "Weight of the newest batch in the running statistics."),
    REAL("model.bn_eps", "1e-05", 1e-12, 1, "", "Added to the variance in batch normalisation."),

    CHOICE("objective.kind", "binary", "binary|unsupervised|multi",
           "Rate-reduction objective: binary dR(Z, Zhat); unsupervised gamma1 R(Z) + gamma3 dR(Z, "
           "Zhat); multi gamma1 dR(Z) + gamma2 dR(Zhat) + gamma3 sum_k dR(Z_k, Zhat_k), which uses "
           "the labels."),
    REAL("objective.eps2", "0.5", 1e-06, 1000, "", "Distortion eps^2 of the coding rate."),
    REALS("objective.gamma", "[1, 1, 1]", 0, 1000,
          "Weights gamma of the terms of unsupervised and multi."),

    INT("game.encoder_steps", "1", 1, 100, "", "Moves of the encoder a batch."),
    INT("game.decoder_steps", "1", 1, 100, "", "Moves of the decoder a batch."),
    BOOL("game.encoder_rate_only", "false",
         "With multi, all but the last encoder move maximise dR(Z) alone."),
    REAL("game.encoder_sample_weight", "0", 0, 1000, "",
         "Weight w of w mean |z - zhat|^2, subtracted in the encoder's move."),
    REAL("game.decoder_sample_weight", "0", 0, 1000, "",
         "Weight w of w mean |z - zhat|^2, added in the decoder's move."),
    REALS("game.decoder_layer_weight", "0", 0, 1000,
          "Weight w of w mean (h - hhat)^2 over the outputs of a layer of the encoder, for images "
          "and for their regenerations, added in the decoder's move; one value for all layers but "
          "the last, or one for each of them."),
    REAL("game.pixel_weight", "0", 0, 1000, "",
         "Weight w of w mean (x - xhat)^2 over pixels, added in the decoder's move: a hybrid, no "
         "longer the game alone."),

    REAL("optim.encoder_lr", "0.001", 0, 10, "", "Learning rate of the encoder (ascends)."),
    REAL("optim.decoder_lr", "0.001", 0, 10, "", "Learning rate of the decoder (descends)."),
    REAL("optim.beta1", "0.5", 0, 0.9999, "", "Adam's decay of the first moment."),
    REAL("optim.beta2", "0.999", 0, 0.999999, "", "Adam's decay of the second moment."),
    REAL("optim.eps", "1e-08", 1e-16, 1, "", "Adam's epsilon."),
    CHOICE("optim.schedule", "constant", "constant|linear|cosine", "Learning rate over the run."),
    INT("optim.warmup", "0", 0, MANY, "batches", "Linear warm-up from 0."),
    REAL("optim.final_scale", "0", 0, 1, "",
         "Learning rate at the end of linear or cosine, as a share of the full one."),
    REAL("optim.encoder_span", "1", 0, 1, "",
         "Share of the run in which the encoder moves: its learning rate goes through the schedule "
         "within it and is 0 afterwards, where the decoder catches up. A resumed run with more "
         "batches has a longer share."),
    REAL("optim.clip", "0", 0, 1e12, "",
         "Each player's gradient is scaled down to this l2 norm; 0 is off."),
    REAL("optim.ema", "0", 0, 0.999999, "",
         "Decay of the average of the weights used for evaluation; 0 is off."),

    INT("train.batch", "256", 2, 1000000, "images", "Images a batch."),
    INT("train.batches", "200", 1, MANY, "batches", "Length of the run."),
    INT("train.log_every", "10", 1, MANY, "batches", "A line in metrics.jsonl every so many."),
    INT("train.eval_every", "100", 0, MANY, "batches",
        "PSNR and cosine on held-out images every so many; 0 is never."),
    INT("train.eval_images", "512", 1, MANY, "images", "Held-out images of that evaluation."),
    INT("train.picture_every", "100", 0, MANY, "batches",
        "Picture of regenerations every so many, and at steps 1, 2, 4, 8 ...; 0 is never."),
    INT("train.pictures", "40", 1, 1024, "images", "Held-out images in a picture."),
    INT("train.checkpoint_every", "100", 0, MANY, "batches",
        "Checkpoint every so many and at the end; 0 is at the end only."),
    INT("train.keep_last", "2", 1, 1000, "", "Checkpoints to keep, besides the best."),
    BOOL("train.tensorboard", "true",
         "Also write events for TensorBoard, where csctrl was built with them."),
    BOOL("train.keep_best", "true", "Keep the checkpoint with the highest held-out PSNR."),

    INT("eval.count", "10000", 1, MANY, "images", "Held-out images that eval uses at most."),
    INT("eval.fit_count", "10000", 1, MANY, "images",
        "Training images on whose features subspaces and classifiers are fitted at most."),
    INT("eval.components", "10", 1, 4096, "",
        "Principal components a class of the nearest-subspace classifier."),
    INT("eval.neighbours", "5", 1, 10000, "",
        "Training features that vote on the class of a held-out one (k-NN accuracy)."),
    REAL("eval.probe_l2", "0.0001", 1e-12, 1e6, "",
         "Weight decay of the linear probe: half of it times the squared weights is added to the "
         "mean cross-entropy."),
    INT("eval.batch", "256", 1, 100000, "images", "Images at once in eval, encode and decode."),
};

size_t csctrl_option_count(void)
{
    return sizeof table / sizeof table[0];
}

const csctrl_option *csctrl_option_at(size_t index)
{
    return index < csctrl_option_count() ? &table[index] : NULL;
}

const csctrl_option *csctrl_option_find(const char *key)
{
    for (size_t i = 0; i < csctrl_option_count(); i++)
        if (strcmp(table[i].key, key) == 0)
            return &table[i];
    return NULL;
}
