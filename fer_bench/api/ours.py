"""The runners that come with the program, by name."""

#: name -> "module:Class", in the order of the tables; nothing of it is imported before it is asked for.
BUILTINS = {
    "svm": "fer_bench.runners.svm:SVM",
    "hog-svm": "fer_bench.runners.hog_svm:HogSVM",
    "lbp-svm": "fer_bench.runners.lbp_svm:LbpSVM",
    "bovw": "fer_bench.runners.bovw:BagOfVisualWords",
    "logistic-regression": "fer_bench.runners.logistic_regression:Logistic",
    "knn": "fer_bench.runners.knn:NearestNeighbours",
    "random-forest": "fer_bench.runners.random_forest:RandomForest",
    "xgboost": "fer_bench.runners.xgboost:XGBoost",
    "mlp": "fer_bench.runners.mlp:MLP",
    "custom-cnn": "fer_bench.runners.custom_cnn:CustomCNN",
    "stacked-cnn": "fer_bench.runners.stacked_cnn:StackedCNN",
    "vgg-bottleneck": "fer_bench.runners.vgg_bottleneck:VGGBottleneck",
    "vgg19-frozen": "fer_bench.runners.vgg19:VGG19Frozen",
    "vgg19-full": "fer_bench.runners.vgg19:VGG19Full",
    "mini-xception": "fer_bench.runners.mini_xception:MiniXception",
    "inception-v3": "fer_bench.runners.inception_v3:InceptionV3",
    "inception-v3-flatten": "fer_bench.runners.inception_v3:InceptionV3Flatten",
    "resnet50": "fer_bench.runners.resnet50:ResNet50",
    "staged-cnn": "fer_bench.runners.staged_cnn:StagedCNN",
    "fer-net": "fer_bench.runners.fer_net:FerNet",
    "transfer": "fer_bench.runners.transfer:Transfer",
}
